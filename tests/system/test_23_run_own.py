# SPDX-License-Identifier: MIT
"""`lowport run --own`: the sockets are the user's own, and the daemon binds them."""

import json
import pathlib
import shutil
import subprocess

import pytest

import world
from test_05_run import ask, running, shown
from world import HOME, SOURCE

PYTHON, SERVE = "/usr/bin/python3", HOME / "serve.py"
USAGE, DENIED, IN_USE, UNREACHABLE = 2, 121, 122, 123


@pytest.fixture(autouse=True, scope="module")
def _program():
    shutil.copy(SOURCE / "tests/system/serve.py", SERVE)
    SERVE.chmod(0o644)


def own(*specs, **_):
    return ["lowport", "run", "--own", "-v", *(word for spec in specs for word in ("-l", spec)), "--"]


def show(person, *specs, at, **options):
    return person.run(*own(*specs), PYTHON, SERVE, "show", at=at, **options)


def test_231_a_program_serves_on_a_socket_of_its_users_own(daemon, alice):
    d = daemon(f"allow user {alice} tcp 670")
    with running(alice, *own("tcp:670"), PYTHON, SERVE, "answer", "hello", at=d) as program:
        assert ask(670) == ask(670, "::1") == "hello"
        table = pathlib.Path("/proc/net/tcp6").read_text().splitlines()
        uids = {line.split()[7] for line in table if line.split()[1].endswith(":%04X" % 670)
                and line.split()[3] == "0A"}
        assert uids == {str(alice.uid)}
        assert "our own, bound by the daemon" in program.stderr.readline()


def test_232_every_kind_of_spec(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 670-679")
    facts = shown(show(alice, "tcp4:670", "tcp6:670", "udp:127.0.0.1:671", "tcp:672,nolisten", at=d))
    assert [what[0:4] for _, what in sorted(facts["sockets"].items()) if _ >= 3][:4] == [
        ["AF_INET", "SOCK_STREAM", "0.0.0.0", 670], ["AF_INET6", "SOCK_STREAM", "::", 670],
        ["AF_INET", "SOCK_DGRAM", "127.0.0.1", 671], ["AF_INET6", "SOCK_STREAM", "::", 672]]


@pytest.mark.users
def test_233_a_users_processes_share_a_port_and_another_user_is_refused(daemon, alice, bob):
    d = daemon("allow user alice tcp 670", "allow user bob tcp 670")
    first = running(alice, *own("tcp:670,reuseport"), PYTHON, SERVE, "answer", "one", at=d)
    with first:
        assert ask(670) == "one"
        assert show(alice, "tcp:670,reuseport", at=d).returncode == 0
        assert show(bob, "tcp:670,reuseport", at=d).returncode == IN_USE
        assert show(alice, "tcp:670", at=d).returncode == IN_USE


def test_234_multipath_tcp_is_tcp(daemon, alice):
    d = daemon(f"allow user {alice} tcp 670")
    result = alice.run(*own("tcp:127.0.0.1:670,mptcp"), PYTHON, "-c",
                       "import socket; s = socket.socket(fileno=3); print(s.proto, s.getsockname())",
                       at=d)
    assert result.stdout == "262 ('127.0.0.1', 670)\n", result


def test_235_what_is_for_ones_own_sockets_is_said(alice):
    for words, what in ((["-l", "tcp:670,reuseport"], "expected --own"),
                        (["-l", "tcp:670", "--own-socket", "/x"], "without --own"),
                        (["--own", "-l", "udp:670,mptcp"], "for TCP only")):
        result = alice.run("lowport", "run", *words, "--", "true")
        assert (result.returncode, what in result.stderr) == (USAGE, True), result


def test_236_denied_and_without_a_daemon(daemon, alice):
    d = daemon(f"allow user {alice} tcp 670")
    result = show(alice, "tcp:671", at=d)
    assert result.returncode == DENIED and "no rule allows" in result.stderr, result
    result = alice.run("lowport", "run", "--own", "--no-direct", "-l", "tcp:671", "--", "true",
                       at=HOME / "nowhere")
    assert result.returncode == UNREACHABLE, result
    facts = shown(show(alice, "tcp:20670", at=HOME / "nowhere"))  # needs no privilege
    assert facts["sockets"][3][3] == 20670


def test_237_a_socket_of_another_network(daemon, alice):
    """As of a container that has one."""
    d = daemon(f"allow user {alice} tcp 670 netns any", f"allow user {alice} tcp 671")
    inside = ["unshare", "--user", "--net", "--map-current-user"] if world.MANY_USERS else \
        ["unshare", "--net"]
    probe = alice.run(*inside, "true")
    if probe.returncode != 0:
        pytest.skip("this user cannot make a network namespace: " + probe.stderr)
    # No capability in the namespace's own user namespace: the program drops what it got there.
    drop = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    result = alice.run(*inside, *drop, *own("tcp:670"), PYTHON, SERVE, "show", at=d)
    assert shown(result)["sockets"][3][3] == 670
    result = alice.run(*inside, *drop, *own("tcp:671"), PYTHON, SERVE, "show", at=d)
    assert result.returncode == DENIED and "another network namespace" in result.stderr, result


@pytest.mark.users
def test_238_who_may_not_ask_is_told_of_the_group(daemon, carol):
    d = daemon("allow user carol tcp 670")
    result = show(carol, "tcp:670", at=d)
    assert result.returncode == UNREACHABLE and not result.stdout, result
    assert f"no daemon can be reached at {d.own_socket}: Permission denied" in result.stderr
    assert "add you to the group" in result.stderr
    # The open way is for her, too.
    assert carol.run("lowport", "run", "-l", "tcp:670", "--", "true", at=d).returncode == 0


def test_239_it_waits_for_the_port(daemon, alice):
    d = daemon(f"allow user {alice} tcp 670")
    holder = alice.open(d, "tcp", 670).granted()
    waiting = alice.popen(*own("tcp:670")[:-1], "--wait", 60, "--", PYTHON, SERVE, "show", at=d,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    d.says("failed", str(alice.uid))
    assert waiting.poll() is None
    holder.close()
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0 and "waiting for the daemon or the port" in err, err
    assert json.loads(out)["sockets"]["3"][3] == 670


def test_240_options_are_those_of_a_server(daemon, alice):
    """A listening socket can be bound again over connections on their way out; a UDP one never lets
    another in."""
    d = daemon(f"allow user {alice} tcp,udp 670-679")
    code = ("import socket, sys\n"
            "for fd in (3, 4, 5):\n"
            "    s = socket.socket(fileno=fd)\n"
            "    print(*(s.getsockopt(socket.SOL_SOCKET, o) for o in (socket.SO_REUSEADDR,"
            " socket.SO_REUSEPORT, socket.SO_ACCEPTCONN)))\n")
    result = alice.run(*own("tcp:670,reuseport", "udp:671", "udp:672,reuseport"), PYTHON, "-c", code,
                       at=d)
    assert result.stdout.splitlines() == ["1 1 1", "0 0 0", "0 1 0"], result


def test_241_without_multipath_tcp_it_says_so(daemon, alice):
    setting = pathlib.Path("/proc/sys/net/mptcp/enabled")
    if not setting.exists():
        pytest.skip("this kernel has no Multipath TCP")
    d = daemon(f"allow user {alice} tcp 670")
    setting.write_text("0")
    try:
        result = show(alice, "tcp:670,mptcp", at=d)
    finally:
        setting.write_text("1")
    assert result.returncode == 125 and "leave out ,mptcp" in result.stderr, result
    assert not d.said("granted")


def test_242_the_socket_is_found_by_option_too(daemon, alice):
    d = daemon(f"allow user {alice} tcp 670")
    result = alice.run("lowport", "run", "--own", "--own-socket", d.own_socket, "--no-direct", "-l",
                       "tcp:670", "--", PYTHON, SERVE, "show", at=HOME / "nobody-there")
    assert shown(result)["sockets"][3][3] == 670
