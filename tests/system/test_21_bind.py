# SPDX-License-Identifier: MIT
"""lowport_bind(): bind(2)'s arguments, results and errno."""

import shutil

import pytest

import world
from world import HOME, SOURCE

PYTHON = "/usr/bin/python3"
PROGRAM = HOME / "binds.py"

pytestmark = pytest.mark.without_sanitizers  # Python itself is not built with one

SAME_AS_BIND = {
    "high": "ok", "short": "EINVAL", "family": "EAFNOSUPPORT", "unspec-other": "EAFNOSUPPORT",
    "bad-fd": "EBADF", "no-socket": "ENOTSOCK", "fault": "EFAULT", "unix": "ENOENT",
}
GRANTED = ("granted", "granted-udp", "granted-v6", "mapped", "storage", "storage-v6", "rfc2133",
           "unspec")


@pytest.fixture(autouse=True, scope="module")
def _program():
    shutil.copy(SOURCE / "tests/system/binds.py", PROGRAM)
    PROGRAM.chmod(0o644)


def binds(person, *cases, **options):
    result = person.run(PYTHON, PROGRAM, *cases, **options)
    assert result.returncode == 0, result
    return dict(line.split(" ", 1) for line in result.stdout.splitlines())


def rules(person):
    return f"allow user {person} tcp,udp 690-699"


def test_225_what_bind_does_without_the_daemon_it_does_here(daemon, alice):
    d = daemon(rules(alice))
    assert binds(alice, *SAME_AS_BIND, at=d) == SAME_AS_BIND
    assert not d.said("granted") and not d.said("denied")


def test_226_a_low_port_is_bound_whatever_the_form_of_the_address(daemon, alice):
    d = daemon(rules(alice))
    assert binds(alice, *GRANTED, at=d) == dict.fromkeys(GRANTED, "ok")
    d.says("granted", "tcp [::1]:690")


def test_227_the_errors_are_the_true_ones(daemon, alice):
    d = daemon(rules(alice))
    with alice.open(d, "tcp", 691, "127.0.0.1").granted():
        assert binds(alice, "denied", "in-use", "not-available", "twice", at=d) == {
            "denied": "EACCES", "in-use": "EADDRINUSE", "not-available": "EADDRNOTAVAIL",
            "twice": "ok EINVAL"}


def test_228_without_a_daemon_bind_has_the_last_word(alice):
    nowhere = HOME / "nowhere"
    assert binds(alice, "granted", "high", at=nowhere) == {"granted": "EACCES", "high": "ok"}


def test_229_in_a_child_and_in_eight_threads(daemon, alice):
    d = daemon(rules(alice))
    assert binds(alice, "forked", "threads", at=d) == {
        "forked": "0 690", "threads": " ".join(["ok"] * 8)}


@pytest.mark.users
def test_230_root_does_not_ask(daemon, root):
    d = daemon("allow user alice tcp 1")
    result = world.subprocess.run([PYTHON, PROGRAM, "granted"], env=root.environment(d), text=True,
                                  capture_output=True, check=False, timeout=60)
    assert result.stdout == "granted ok\n", result
    assert not d.said("denied")
