# SPDX-License-Identifier: MIT
"""The preload module: bind(2) of programs that know nothing of Lowport."""

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

import world
from own_daemon import OwnDaemon
from world import CACHE, HOME, LIB, SOURCE

CC = re.search(r"^CMAKE_C_COMPILER:\w+=(.+)$", CACHE, re.M)[1] if CACHE else "cc"
MODULE = LIB / "liblowport-preload.so"
PROGRAM, COUNT, EARLY = HOME / "preload", HOME / "preload-count.so", HOME / "preload-early.so"
LOW, HIGH, V4 = 80, 8080, "127.0.0.1"
WAYS = ["plain", "fork", "vfork", "exec", "thread", "handler", "timer"]


@pytest.fixture(scope="module", autouse=True)
def _built():
    """Without a sanitizer, as the programs are that the module is for."""
    flags = [CC, "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
    for name, product, how in (("preload", PROGRAM, ["-pthread", "-ldl"]),
                               ("preload-count", COUNT, ["-shared", "-fPIC", "-ldl"]),
                               ("preload-early", EARLY, ["-shared", "-fPIC"])):
        subprocess.run([*flags, SOURCE / f"tests/system/{name}.c", *how, "-o", product],
                       check=True, timeout=120)


@pytest.fixture(name="place")
def _place():
    """A directory that everybody may write to."""
    place = HOME / "place"
    place.mkdir()
    place.chmod(0o777)
    yield place
    shutil.rmtree(place)


@pytest.fixture(name="own")
def _own():
    """A daemon in Python: OwnDaemon(), stopped in the end."""
    started = []

    def start(**how):
        started.append(OwnDaemon(**how))
        return started[-1]

    yield start
    for one in started:
        if one.path.exists():
            one.stop()


def preloaded(path, *modules, **more):
    """The environment of a program that the module is loaded into."""
    return {"LD_PRELOAD": ":".join(map(str, modules or [MODULE])),
            "LOWPORT_OWN_SOCKET": str(path)} | more


def attempt(person, path, how="plain", protocol="tcp", address=V4, port=LOW, modules=(), **more):
    """One bind by the program. Returns what it printed last, and standard error."""
    result = person.run(PROGRAM, how, protocol, address, port,
                        env=preloaded(path, *modules, **more))
    assert result.returncode in (0, 1), result
    return result.stdout.splitlines(), result.stderr


def bound(person, path, *args, **more):
    lines, errors = attempt(person, path, *args, **more)
    assert lines[-1] == "bound" and errors == "", (lines, errors)
    return lines


def complaint(errors, text, name="preload", what=f"tcp {V4}:{LOW}"):
    """Checks that standard error is one line that says so."""
    assert re.fullmatch(rf"lowport: wrap: {re.escape(name)} \(pid \d+\): {re.escape(what)}: "
                        rf"{text}\n", errors), errors


# What it is.


def test_3100_it_shows_bind_and_nothing_else():
    names = subprocess.run(["nm", "-D", "--defined-only", MODULE], capture_output=True, text=True,
                           check=True).stdout.split()[2::3]
    assert names == ["bind"]


def test_3101_it_uses_no_memory_no_streams_and_libc_only():
    """What a signal handler or a child of vfork(2) cannot bear: allocation, streams, locks."""
    dynamic = subprocess.run(["readelf", "-d", MODULE], capture_output=True, text=True,
                             check=True).stdout
    needed = re.findall(r"NEEDED.*\[(.+?)\]", dynamic)
    assert [n for n in needed if not n.startswith(("libc.", "ld-linux"))] == []
    lines = subprocess.run(["nm", "-D", "--undefined-only", MODULE], capture_output=True,
                           text=True, check=True).stdout.splitlines()
    used = {line.split()[-1].split("@")[0] for line in lines}
    known = {"_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__cxa_finalize",
             "__errno_location", "__gmon_start__", "__memcpy_chk", "__poll_chk", "__snprintf_chk",
             "__stack_chk_fail", "clock_gettime", "clock_nanosleep", "close", "connect", "dlsym",
             "fcntl", "fcntl64", "getenv", "getpid", "getsockname", "getsockopt", "htonl",
             "inet_ntop", "memchr", "memcpy", "memset", "ntohs", "poll", "prctl",
             "pthread_setcancelstate", "pthread_sigmask", "recvmsg", "secure_getenv", "sendmsg",
             "setsockopt", "sigaddset", "sigemptyset", "sigismember", "sigpending", "sigtimedwait",
             "snprintf", "socket", "strcmp", "strcspn", "strerrordesc_np", "strlen", "strnlen", "syscall",
             "writev"}
    assert used <= known, used - known
    assert "dlsym" in used


# What the program gets.


@pytest.mark.parametrize("how", WAYS)
def test_3102_a_low_port_is_bound_wherever_bind_is_called(own, alice, how):
    bound(alice, own().path, how)


@pytest.mark.parametrize("protocol,address", [
    ("tcp", "::1"), ("tcp", "::"), ("tcp", "0.0.0.0"), ("udp", V4), ("udp", "::1"),
    ("mptcp", V4)])
def test_3103_each_kind_of_ip_socket_is_bound(own, alice, protocol, address):
    bound(alice, own().path, protocol=protocol, address=address)


def test_3104_the_daemon_hears_only_of_what_lacks_a_privilege(own, alice, place):
    d = own()
    bound(alice, d.path, port=HIGH)
    bound(alice, d.path, protocol="unix", address=str(place / "socket"))
    with socket.create_server((V4, HIGH)):
        assert attempt(alice, d.path, port=HIGH) == (["EADDRINUSE"], "")
    assert attempt(alice, d.path, port=HIGH, address="192.0.2.1") == (["EADDRNOTAVAIL"], "")
    place.chmod(0o555)
    address = str(place / "another")
    assert attempt(alice, d.path, protocol="unix", address=address) == (["EACCES"], "")
    assert d.requests == []
    bound(alice, d.path)
    assert d.requests == [3, 2]  # CHECK, OWN: it would have heard


def test_3105_the_privileged_bind_by_themselves(own):
    d = own()
    result = subprocess.run([*world.capable(), PROGRAM, "plain", "tcp", V4, str(LOW)],
                            capture_output=True, text=True, check=False, timeout=60,
                            env=world.ENVIRONMENT | preloaded(d.path))
    assert (result.stdout, result.stderr) == ("bound\n", "")
    assert d.requests == []


def test_3106_errors_of_the_socket_are_the_true_ones(own, alice):
    with socket.create_server((V4, LOW)):
        assert attempt(alice, own().path) == (["EADDRINUSE"], "")
    assert attempt(alice, own().path, address="192.0.2.1") == (["EADDRNOTAVAIL"], "")


# Without a daemon, and with one that fails.


@pytest.mark.parametrize("how", [way for way in WAYS if way != "timer"])
def test_3110_without_a_daemon_the_error_is_bind_s_own_at_once(alice, how):
    begin = time.monotonic()
    lines, errors = attempt(alice, "/run/world/nobody", how)
    assert time.monotonic() - begin < 2 * world.SLOW
    assert lines[-1] == "EACCES"
    complaint(errors, "no daemon can be reached at /run/world/nobody: No such file or directory")


def test_3111_it_can_be_told_to_be_quiet(alice):
    assert attempt(alice, "/run/world/nobody", LOWPORT_WRAP_QUIET="1") == (["EACCES"], "")
    assert attempt(alice, "/run/world/nobody", LOWPORT_WRAP_QUIET="0")[1] != ""


def test_3112_a_path_too_long_is_no_daemon(alice):
    assert attempt(alice, "/" + "x" * 200) == (["EACCES"], "")


def begin(person, path, how, **options):
    return person.popen(PROGRAM, how, "tcp", V4, LOW, env=preloaded(path), stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, **options)


def test_3113_a_daemon_that_dies_midway_is_reported_and_sends_no_signal(own, alice):
    d = own(pause=True)
    with begin(alice, d.path, "plain") as process:
        d.wait_until_asked()
        d.die()
        out, errors = process.communicate(timeout=world.DEADLINE)
    assert (process.returncode, out) == (1, "EACCES\n")
    complaint(errors, "no daemon can be reached at .*")


def test_3114_signals_neither_end_nor_fail_it(own, alice):
    """A timer every 5 ms; the daemon answers when it has fired twenty times."""
    d = own(pause=True)
    with begin(alice, d.path, "timer") as process:
        assert process.stdout.readline() == "ticking\n"
        d.answer()
        out, errors = process.communicate(timeout=world.DEADLINE)
    assert (process.returncode, out, errors) == (0, "bound\n", "")
    assert d.requests == [3, 2]


@pytest.mark.parametrize("ending", ["answer", "die"])
def test_3115_a_thread_is_cancelled_after_it_and_not_within(own, alice, ending):
    d = own(pause=True)
    with begin(alice, d.path, "cancel", stdin=subprocess.PIPE) as process:
        d.wait_until_asked()
        process.stdin.write("it is in there\n")
        process.stdin.flush()
        assert process.stdout.readline() == "cancelled\n"
        getattr(d, ending)()
        out, errors = process.communicate(timeout=world.DEADLINE)
    if ending == "answer":
        assert (process.returncode, out, errors) == (0, "bound\n", "")
    else:
        assert (process.returncode, out) == (1, "EACCES\n"), errors
        complaint(errors, "no daemon can be reached at .*")


# With the daemon itself.


def deny_and_allow(person):
    return [f"allow user {person} tcp {V4}:{LOW} [::]:81", f"deny user {person} udp 53"]


@pytest.mark.parametrize("how", WAYS[:-1])
def test_3116_the_policy_decides_and_its_reason_is_told_once(daemon, alice, how):
    d = daemon(*deny_and_allow(alice))
    bound(alice, d.own_socket, how)
    lines, errors = attempt(alice, d.own_socket, how, port=82)
    assert lines[-1] == "EACCES"
    complaint(errors, f"denied: no rule allows this to uid {alice.uid}", what=f"tcp {V4}:82")
    lines, errors = attempt(alice, d.own_socket, how, "udp", port=53)
    assert lines[-1] == "EACCES"
    complaint(errors, f"denied to uid {alice.uid} by {d.policy}:2", what=f"udp {V4}:53")
    lines, errors = attempt(alice, d.own_socket, how, "tcp", "::", 81)
    assert lines[-1] == "EACCES"
    complaint(errors, f"denied: no rule allows 0.0.0.0:81, which \\[::\\]:81 takes too, "
                      f"to uid {alice.uid}", what="tcp [::]:81")


def test_3117_the_daemon_s_errors_are_bind_s(daemon, alice):
    d = daemon(f"allow user {alice} tcp {LOW}")
    with socket.create_server((V4, LOW)):
        assert attempt(alice, d.own_socket) == (["EADDRINUSE"], "")
    assert attempt(alice, d.own_socket, address="192.0.2.1") == (["EADDRNOTAVAIL"], "")
    bound(alice, d.own_socket)


@pytest.mark.users
def test_3118_who_may_not_ask_the_daemon_is_told_so(daemon, carol):
    """She is not of the group that the socket belongs to."""
    d = daemon(f"allow user {carol} tcp {LOW}")
    lines, errors = attempt(carol, d.own_socket)
    assert lines == ["EACCES"]
    complaint(errors, f"no daemon can be reached at {d.own_socket}: Permission denied")


# In strange company.


@pytest.mark.parametrize("modules", [(COUNT, MODULE), (MODULE, COUNT)], ids=["before", "after"])
def test_3120_another_preload_that_wraps_bind_sees_each_call_once(own, alice, modules):
    d = own()
    seen = "counted: bound" if modules[0] is COUNT else "counted: not bound"
    assert bound(alice, d.path, modules=modules) == [seen, "bound"]
    assert bound(alice, d.path, modules=modules, port=HIGH) == ["counted: bound", "bound"]


@pytest.mark.parametrize("modules", [(EARLY, MODULE), (MODULE, EARLY)], ids=["before", "after"])
def test_3121_a_constructor_of_another_library_may_bind(own, alice, modules):
    """Of two preloaded libraries the later one starts first: before ours has looked around."""
    d = own()
    lines = bound(alice, d.path, modules=modules, EARLY_PORT="81")
    assert lines == ["early: bound", "bound"]
    assert d.requests == [3, 2, 3, 2]


def test_3122_it_can_be_opened_like_a_plugin(own, alice):
    result = alice.run(PROGRAM, "dlopen", "tcp", V4, LOW,
                       env={"LOWPORT_OWN_SOCKET": str(own().path), "MODULE": str(MODULE)})
    assert (result.stdout, result.stderr) == ("bound\n", ""), result


def test_3123_the_smallest_thread_stack_is_enough(alice):
    """Half of it must do, with a line to be written, since a signal may come on top."""
    lines, errors = attempt(alice, "/run/world/nobody", "thread")
    taken, whole = map(int, re.fullmatch(r"stack (\d+) of (\d+)", lines[0]).groups())
    assert 1000 < taken < whole / 2, lines
    assert errors != ""


def test_3124_many_threads_may_bind_at_once(own, alice):
    d = own()
    bound(alice, d.path, "threads", "udp", port=700)
    assert sorted(d.requests) == [2] * 8 + [3] * 8


def test_3125_a_server_that_knows_nothing_of_it_serves(own, alice, place):
    (place / "page").write_text("hello\n")
    server = alice.popen("python3", "-u", "-m", "http.server", "--bind", V4, LOW, cwd=place,
                         env=preloaded(own().path), stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    with server:
        assert f"{V4} port {LOW}" in server.stdout.readline()
        with urllib.request.urlopen(f"http://{V4}/page", timeout=world.DEADLINE) as answer:
            assert answer.read() == b"hello\n"
        server.terminate()


# Standard error.


def test_3130_what_has_become_of_standard_error_is_left_alone(alice, place):
    result = alice.run(PROGRAM, "reused-stderr", "tcp", V4, LOW, cwd=place,
                       env=preloaded("/run/world/nobody"))
    assert result.stdout == "EACCES\n"
    assert (place / "reused").read_bytes() == b""
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server((V4, 0)) as server, \
            socket.create_connection(server.getsockname()) as client:
        peer, _ = server.accept()
        with peer:
            result = alice.popen(PROGRAM, "plain", "tcp", V4, LOW, stdout=subprocess.DEVNULL,
                                 stderr=client.fileno(), env=preloaded("/run/world/nobody"))
            assert result.wait(world.DEADLINE) == 1
            client.close()
            assert peer.recv(100) == b""
        result = alice.popen(PROGRAM, "plain", "tcp", V4, LOW, stdout=subprocess.DEVNULL,
                             stderr=theirs.fileno(), env=preloaded("/run/world/nobody"))
        assert result.wait(world.DEADLINE) == 1
        assert b"no daemon" in ours.recv(1000)


def test_3131_the_socket_may_be_descriptor_2(alice):
    result = alice.run("sh", "-c", f'exec "{PROGRAM}" plain tcp {V4} {LOW} 2>&-',
                       env=preloaded("/run/world/nobody"))
    assert (result.returncode, result.stdout) == (1, "EACCES\n")


def test_3132_a_standard_error_that_nobody_reads_neither_stops_nor_kills(alice):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    for end in "full", "broken":
        if end == "broken":
            os.close(reading)
        process = alice.popen(PROGRAM, "plain", "tcp", V4, LOW, stdout=subprocess.PIPE,
                              stderr=writing, env=preloaded("/run/world/nobody"))
        assert process.communicate(timeout=world.DEADLINE)[0] == "EACCES\n", end
        assert process.returncode == 1, end
    os.close(writing)


def test_3133_a_program_s_name_cannot_forge_a_line(alice):
    evil = HOME / "a\nlowport\x1b[2J"
    os.link(PROGRAM, evil)
    result = alice.run(evil, "plain", "tcp", V4, LOW, env=preloaded("/run/world/nobody"))
    complaint(result.stderr, "no daemon can be reached at .*", name="a?lowport?[2J")
