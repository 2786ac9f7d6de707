# SPDX-License-Identifier: MIT
"""lowport_bind(): bind(2)'s arguments, results and errno."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

import world
from own_daemon import OwnDaemon
from world import HOME, SOURCE, children, eventually

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
        "forked": "0 690 ok", "threads": " ".join(["ok"] * 8)}


@pytest.mark.users
def test_230_root_does_not_ask(daemon, root):
    d = daemon("allow user alice tcp 1")
    result = world.subprocess.run([PYTHON, PROGRAM, "granted"], env=root.environment(d), text=True,
                                  capture_output=True, check=False, timeout=60)
    assert result.stdout == "granted ok\n", result
    assert not d.said("denied")


@contextlib.contextmanager
def unprivileged_from(port):
    """Ports from this one on need no privilege, in this network namespace."""
    setting = pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    before = setting.read_text()
    setting.write_text(str(port))
    try:
        yield
    finally:
        setting.write_text(before)


def test_2100_a_port_that_the_sysctl_allows_is_not_asked_for(daemon, alice):
    d = daemon(f"allow user {alice} tcp 1")
    with unprivileged_from(690):
        assert binds(alice, "granted", at=d) == {"granted": "ok"}
    assert not d.said("denied")
    assert binds(alice, "granted", at=d) == {"granted": "EACCES"}
    d.says("denied", ":690")


def test_2101_a_daemon_that_ends_without_an_answer_leaves_bind_its_error(alice):
    own = OwnDaemon(pause=True)
    with alice.popen(PYTHON, PROGRAM, "granted", at=HOME / "nowhere", stdout=subprocess.PIPE,
                     env={"LOWPORT_OWN_SOCKET": str(own.path)}) as program:
        own.wait_until_asked()
        own.die()
        assert program.stdout.read() == "granted EACCES\n"
    assert program.returncode == 0


def udp_owners(port):
    table = pathlib.Path("/proc/net/udp").read_text().splitlines()[1:]
    return {int(line.split()[7]) for line in table if line.split()[1].endswith(f":{port:04X}")}


@pytest.mark.users
def test_2102_a_worker_that_is_killed_after_the_bind_has_bound(daemon, alice):
    """Each worker's second bind(2) is the client's; it is held up on its way out of that."""
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=bind",
            "-e", "inject=bind:delay_exit=4000000:when=2", *world.capable()]
    d = daemon(rules(alice), prefix=slow)
    with alice.popen(PYTHON, PROGRAM, "granted-any-udp", at=d, stdout=subprocess.PIPE) as program:
        eventually(lambda: alice.uid in udp_owners(690), "the client's socket is bound")
        assert program.poll() is None, "the worker has answered already"
        for worker in children(d.binder()):
            os.kill(worker, signal.SIGKILL)
        assert program.stdout.read() == "granted-any-udp ok\n"
    assert program.returncode == 0
    os.kill(d.manager(), signal.SIGTERM)
    assert d.ended() == 0
