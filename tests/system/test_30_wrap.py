# SPDX-License-Identifier: MIT
"""`lowport wrap`: programs that know nothing of Lowport bind low ports, and notice nothing."""

import contextlib
import errno
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import socket
import subprocess

import pytest

import world
from own_daemon import OwnDaemon
from world import CACHE, HOME, SOURCE, Exit, children, eventually, name_of

CC = re.search(r"^CMAKE_C_COMPILER:\w+=(.+)$", CACHE, re.M)[1] if CACHE else "cc"
WRAPPED, STATIC = HOME / "wrapped", HOME / "wrapped-static"
PYTHON = "/usr/bin/python3"
V4 = "127.0.0.1"
SECCOMP = "--via=seccomp"
FAILED, CANNOT_RUN, NOT_FOUND = 125, 126, 127
PIDFD_GETFD = 438
MEBIBYTE = 1024  # in kB
SIGNALS = ["grep", "-E", "^(Sig[^Q]|Shd)", "/proc/self/status"]


@pytest.fixture(scope="module", autouse=True)
def _built():
    """Without a sanitizer, as the programs are that this is for."""
    flags = [CC, "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    for product, how in ((WRAPPED, []), (STATIC, ["-static"])):
        subprocess.run([*flags, *how, SOURCE / "tests/system/wrapped.c", "-o", product],
                       check=True, timeout=120)


@pytest.fixture(name="place")
def _place():
    """A directory that everybody may write to."""
    place = HOME / "place"
    place.mkdir()
    place.chmod(0o777)
    yield place
    shutil.rmtree(place)


class StuckDaemon(OwnDaemon):
    """Answers nobody until it is told, and then does not mind who has gone meanwhile."""

    def __init__(self):
        super().__init__(pause=True)
        self.listener.listen(64)

    def _answer(self, connection, data, fds):
        with contextlib.suppress(OSError):
            super()._answer(connection, data, fds)


@pytest.fixture(name="stuck")
def _stuck():
    one = StuckDaemon()
    yield one
    if one.path.exists():
        one.stop()


def wrap(person, at, *command, options=(SECCOMP,), **how):
    """Runs a command under lowport wrap to its end."""
    where = getattr(at, "own_socket", getattr(at, "path", at))
    return person.run("lowport", "wrap", "--own-socket", where, *options, "--", *command, **how)


def lines(result):
    assert result.returncode == 0, result
    return result.stdout.splitlines()


def bound(result, n=1):
    assert lines(result) == ["bound"] * n and result.stderr == "", result


class Served:
    """`wrapped serve` under lowport wrap: binds a port whenever it is told."""

    def __init__(self, person, at, *options):
        where = getattr(at, "own_socket", getattr(at, "path", at))
        self.process = person.popen(
            "lowport", "wrap", SECCOMP, *options, "--own-socket", where, "--", WRAPPED, "serve",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = self.process.pid
        self.errors = b""
        self.watchers = []
        try:
            assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()
        except AssertionError:
            self.__exit__()
            raise
        self.watchers = [Exit(pid) for pid in (self.witness(), self.supervisor())]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Whatever happened, the supervisor ends with the program."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        for one in self.watchers:
            one.wait()

    def witness(self):
        return eventually(lambda: next(iter(children(self.pid)), None), "a witness")

    def supervisor(self):
        return eventually(lambda: next(iter(children(self.witness())), None), "a supervisor")

    def tell(self, port):
        self.process.stdin.write(f"{port}\n")
        self.process.stdin.flush()

    def hear(self):
        readable, _, _ = select.select([self.process.stdout], [], [], world.DEADLINE)
        assert readable, "no answer"
        return self.process.stdout.readline().strip()

    def bind(self, port):
        self.tell(port)
        return self.hear()

    def says(self, *parts):
        """Waits until the lines on standard error have all that in them."""
        fd = self.process.stderr.fileno()
        while not all(part.encode() in self.errors for part in parts):
            readable, _, _ = select.select([fd], [], [], world.DEADLINE)
            assert readable, f"no {parts} in {self.errors}"
            data = os.read(fd, 4096)
            assert data, f"no {parts} in {self.errors}"
            self.errors += data
        return self.errors.decode()


def serving(pid):
    """The process that serves a program, which may have other children."""
    witness = eventually(lambda: next((child for child in children(pid)
                                       if name_of(child) == "lowport-wrap"), None), "a witness")
    return eventually(lambda: next(iter(children(witness)), None), "a supervisor")


def memory(*pids):
    """The kB of these processes. What several of them share counts once, and the pages of libraries as far as
    they were written to: the others are in memory for every program, and how many of those run is chance."""
    kilobytes = 0
    for pid in pids:
        measure = "Pss"
        for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
            name, *fields = line.split()
            if not name.endswith(":"):  # a mapping begins
                measure = "Pss_Dirty" if ".so" in fields[-1] else "Pss"
            elif name == f"{measure}:":
                kilobytes += int(fields[0])
    return kilobytes


def descriptors(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))


# What is served.


@pytest.mark.parametrize("program", [WRAPPED, STATIC], ids=["libc", "static"])
def test_3000_a_program_binds_low_ports(daemon, alice, program):
    d = daemon(f"allow user {alice} tcp 80,443")
    bound(wrap(alice, d, program, "bind", V4, 80, "::", 443, "127.0.0.2", 80), 3)
    d.says("granted", f"tcp {V4}:80")
    d.says("granted", "tcp [::]:443")


def test_3001_high_ports_and_port_0_are_none_of_the_daemons_business(alice):
    bound(wrap(alice, HOME / "nobody-there", WRAPPED, "bind", V4, 8080, V4, 0, "::1", 1024), 3)


def test_3002_threads(daemon, alice):
    d = daemon(f"allow user {alice} tcp 100-163")
    assert lines(wrap(alice, d, WRAPPED, "threads", 100, 64)) == ["64"]


def test_3003_a_thread_with_descriptors_of_its_own(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    bound(wrap(alice, d, WRAPPED, "unshared", 80))


@pytest.mark.parametrize("how", [
    [WRAPPED, "orphan", 80],
    ["sh", "-c", f"{WRAPPED} bind {V4} 80"],
    ["sh", "-c", f"({WRAPPED} bind {V4} 80 &) ; wait"],
    ["sh", "-c", f"exec env -i {STATIC} bind {V4} 80"],
    ["setsid", "-w", "nice", "sh", "-c", f"exec {STATIC} bind {V4} 80"],
], ids=["orphan", "child", "background", "clean environment", "chain"])
def test_3004_descendants(daemon, alice, how):
    d = daemon(f"allow user {alice} tcp 80")
    bound(wrap(alice, d, *how))


def test_3005_a_script_that_is_executable(daemon, alice, place):
    d = daemon(f"allow user {alice} tcp 80")
    script = place / "script"
    script.write_text(f"#!/bin/sh\n{WRAPPED} bind {V4} 80\n")
    script.chmod(0o755)
    bound(wrap(alice, d, script))


def test_3006_udp_and_python(daemon, alice):
    d = daemon(f"allow user {alice} udp 53 tcp 25")  # the connection leaves its port busy a while
    program = ("import socket as s\nu = s.socket(s.AF_INET, s.SOCK_DGRAM); u.bind(('127.0.0.1', 53))\n"
               "t = s.create_server(('', 25)); c = s.create_connection(('127.0.0.1', 25))\n"
               "print(u.getsockname()[1], t.accept()[0].getsockname()[1])")
    assert lines(wrap(alice, d, PYTHON, "-c", program)) == ["53 25"]


def test_3007_options_that_were_set_stay_set(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    assert lines(wrap(alice, d, WRAPPED, "options", 80)) == ["bound", "listen bound"]


def test_3008_the_errno_is_the_true_one(daemon, alice):
    """As the same program has it who may bind low ports."""
    d = daemon(f"allow user {alice} tcp,udp 80-81")
    truth = subprocess.run([WRAPPED, "errors", "80"], capture_output=True, text=True, check=True,
                           timeout=60).stdout.splitlines()
    assert len(truth) == 17 and "second EINVAL" in truth and "in-use EADDRINUSE" in truth
    result = wrap(alice, d, WRAPPED, "errors", 80)
    assert lines(result) == truth and result.stderr == ""


def test_3009_unix_sockets_stay_where_the_program_is(alice, place):
    program = ("import os, socket as s\nos.chdir('place')\na = s.socket(s.AF_UNIX)\na.bind('relative')\n"
               "b = s.socket(s.AF_UNIX, s.SOCK_DGRAM); b.bind('\\0abstract')\nprint(os.listdir())")
    assert lines(wrap(alice, HOME / "nobody-there", PYTHON, "-c", program)) == ["['relative']"]
    assert (place / "relative").is_socket()


def test_3010_a_sandboxs_own_rules_for_high_ports_hold(alice):
    assert lines(wrap(alice, HOME / "nobody-there", WRAPPED, "landlock", 8080))[0] in ("EACCES", "none")


# What is refused, and what is said.


def test_3020_a_denied_bind_is_eacces_and_one_line(daemon, alice):
    d = daemon(f"deny user {alice} tcp 81")
    result = wrap(alice, d, WRAPPED, "bind", V4, 80, "::", 81)
    assert lines(result) == ["EACCES", "EACCES"]
    denied, by_rule = result.stderr.splitlines()
    assert re.fullmatch(rf"lowport: wrap: wrapped \(pid \d+\): tcp {V4}:80: denied: no rule allows "
                        rf"this to uid {alice.uid}", denied)
    assert re.fullmatch(rf"lowport: wrap: wrapped \(pid \d+\): tcp \[::\]:81: denied to uid "
                        rf"{alice.uid} by {d.policy}:1", by_rule)
    quiet = wrap(alice, d, WRAPPED, "bind", V4, 80, options=[SECCOMP, "--quiet"])
    assert lines(quiet) == ["EACCES"] and quiet.stderr == ""


def test_3021_a_program_that_tries_again_and_again_is_told_of_once(daemon, alice):
    d = daemon("allow user root tcp 80")
    result = wrap(alice, d, WRAPPED, "many", 80, 50)
    assert lines(result) == ["0"]
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_3022_without_a_daemon_it_is_the_kernels_error(alice):
    result = wrap(alice, HOME / "nobody-there", WRAPPED, "bind", V4, 80, V4, 81, V4, 8080)
    assert lines(result) == ["EACCES", "EACCES", "bound"]
    assert re.fullmatch(rf"lowport: wrap: wrapped \(pid \d+\): tcp {V4}:80: no daemon can be reached "
                        rf"at .*nobody-there: No such file or directory\n", result.stderr)


def test_3023_verbose_says_how_and_what(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    result = wrap(alice, d, WRAPPED, "bind", V4, 80, options=["-v"])
    how, what = result.stderr.splitlines()
    assert how == "lowport: wrap: via seccomp, which works here"
    assert re.fullmatch(rf"lowport: wrap: wrapped \(pid \d+\): tcp {V4}:80: bound by the daemon", what)


def test_3024_a_program_that_cannot_be_looked_into(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    result = wrap(alice, d, WRAPPED, "undumpable", 80)
    assert lines(result) == ["EACCES", "bound"]  # the second is a high port
    assert len(result.stderr.splitlines()) == 1 and "not dumpable" in result.stderr


def test_3025_io_uring_is_said_to_be_out_of_sight(alice):
    program = "import ctypes; print(ctypes.CDLL(None).syscall(425, 0, 0))"
    result = wrap(alice, HOME / "nobody-there", PYTHON, "-c", program, options=["-v"])
    assert lines(result) == ["-1"] and "uses io_uring" in result.stderr
    assert "io_uring" not in wrap(alice, HOME / "nobody-there", PYTHON, "-c", program).stderr


@pytest.mark.users
def test_3026_privileges_that_exec_would_give_are_said_to_have_no_effect(alice, place):
    program = place / "privileged"
    shutil.copy("/bin/true", program)
    program.chmod(0o4755)
    for via, word in ((SECCOMP, "no effect"), ("--via=preload", "does not help it")):
        result = wrap(alice, "/nobody", program, options=[via])
        assert result.returncode == 0 and len(result.stderr.splitlines()) == 1
        assert "set-user-ID" in result.stderr and word in result.stderr, result.stderr
        assert wrap(alice, "/nobody", program, options=[via, "--quiet"]).stderr == ""
    program.chmod(0o755)
    assert wrap(alice, "/nobody", program).stderr == ""


@pytest.mark.users
def test_3027_a_target_that_has_become_another_user_is_not_helped_in_our_name(daemon, alice):
    """Also where the supervisor could bind every port itself."""
    d = daemon("allow user root tcp 80")
    other = ["setpriv", f"--reuid={alice.uid}", f"--regid={alice.uid}", "--clear-groups"]
    for bounding in ("-net_bind_service", "+all"):
        command = ["setpriv", f"--bounding-set={bounding}", "lowport", "wrap", SECCOMP,
                   "--own-socket", d.own_socket, "--", *other, WRAPPED, "bind", V4, "80"]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60,
                                check=True, env=world.ENVIRONMENT)
        assert result.stdout == "EACCES\n" and len(result.stderr.splitlines()) == 1, result
    assert not d.said("granted")


@pytest.mark.users
def test_3028_root_without_the_capability_is_helped_and_root_with_it_needs_no_help(daemon):
    d = daemon("allow user root tcp 80")
    for port, bounding in ((80, "-net_bind_service"), (90, "+all")):
        command = ["setpriv", f"--bounding-set={bounding}", "lowport", "wrap", SECCOMP,
                   "--own-socket", d.own_socket, "--", WRAPPED, "bind", V4, port]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60,
                                check=True, env=world.ENVIRONMENT)
        assert result.stdout == "bound\n" and result.stderr == "", result
    d.says("granted", f"{V4}:80")
    assert not d.said(f"{V4}:90")


@pytest.mark.users
def test_3029_root_of_a_user_namespace(daemon, alice):
    """In the host's network it has no privilege, in its own it needs none of ours."""
    d = daemon(f"allow user {alice} tcp 80")
    bound(wrap(alice, d, "unshare", "-Ur", WRAPPED, "bind", V4, 80))
    d.says("granted", f"{V4}:80")
    seen = len(d.lines)
    bound(wrap(alice, d, "unshare", "-Urn", WRAPPED, "bind", "0.0.0.0", 80, "0.0.0.0", 81), 2)
    assert d.lines[seen:] == []


# How it is chosen.


def test_3040_what_stands_in_seccomps_way_leads_to_preload(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    forbidden = [WRAPPED, "forbid", PIDFD_GETFD]
    words = {"look into each other": forbidden,
             "seccomp listener already": ["lowport", "wrap", SECCOMP, "--"]}
    for why, before in words.items():
        inner = [*before, "lowport", "wrap", "--own-socket", d.own_socket]
        result = alice.run(*inner, "-v", "--", WRAPPED, "bind", V4, 80, at=d)
        assert lines(result) == ["bound"]
        assert "via preload, because --via=seccomp cannot be used: " in result.stderr
        assert why in result.stderr
        result = alice.run(*inner, SECCOMP, "--", WRAPPED, "bind", V4, 80, at=d)
        assert result.returncode == FAILED and result.stdout == ""
        assert result.stderr.startswith("lowport: wrap: --via=seccomp cannot be used: ")
        assert why in result.stderr and len(result.stderr.splitlines()) == 1


def test_3041_preload_comes_first_and_keeps_what_was_there(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    show = ["sh", "-c", "echo $LD_PRELOAD $LOWPORT_OWN_SOCKET $LOWPORT_WRAP_QUIET"]
    env = {"LD_PRELOAD": "libc.so.6"} if not world.SANITIZE else {}
    result = wrap(alice, d, *show, options=["--via=preload", "--quiet"], env=env)
    module = world.LIB / "liblowport-preload.so"
    assert lines(result) == [f"{HOME}/bin/../lib/{module.name}{':libc.so.6' if env else ''} "
                             f"{d.own_socket} 1"]
    bound(wrap(alice, d, WRAPPED, "bind", V4, 80, options=["--via=preload"]))
    named = wrap(alice, d, *show, options=["--via=preload"], env={"LOWPORT_PRELOAD": str(module)})
    assert lines(named)[0].startswith(f"{module} ")


def test_3042_a_module_that_is_not_there_is_an_error(alice):
    result = wrap(alice, "/nobody", "true", options=["--via=preload"],
                  env={"LOWPORT_PRELOAD": "/nowhere.so"})
    assert result.returncode == FAILED and "/nowhere.so" in result.stderr


def test_3043_preload_cannot_help_a_static_program_and_says_so(alice, place):
    script = place / "script"
    script.write_text(f"#!{STATIC} bind\n")
    script.chmod(0o755)
    for command in ([STATIC, "bind", V4, 8080], [script, V4, 8080]):
        result = wrap(alice, "/nobody", *command, options=["--via=preload"])
        assert f"lowport: wrap: {STATIC}: is statically linked: " in result.stderr
        assert wrap(alice, "/nobody", *command, options=["--via=preload", "--quiet"]).stderr == ""
    assert wrap(alice, "/nobody", "true", options=["--via=preload"]).stderr == ""


@pytest.mark.parametrize("arguments", [[], ["--via=magic", "true"], ["-v", "--quiet", "true"],
                                       ["--nonsense", "true"], ["--own-socket"]])
def test_3044_wrong_arguments(alice, arguments):
    result = alice.run("lowport", "wrap", *arguments)
    assert result.returncode == 2 and result.stderr.startswith("lowport: wrap: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("via", [SECCOMP, "--via=preload"])
def test_3045_what_cannot_be_run(alice, place, via):
    (place / "not-executable").write_text("")
    missing = wrap(alice, "/nobody", "not-there", options=[via])
    assert missing.returncode == NOT_FOUND
    assert missing.stderr == "lowport: cannot run not-there: No such file or directory\n"
    assert wrap(alice, "/nobody", place / "not-executable", options=[via]).returncode == CANNOT_RUN


# What the program notices: nothing.


def test_3060_the_pid_the_group_and_the_session_stay(alice):
    process = alice.popen("lowport", "wrap", SECCOMP, "--", "sh", "-c", "cat /proc/$$/stat",
                          stdout=subprocess.PIPE)
    pid, _, _, parent, group, session = process.communicate(timeout=60)[0].split()[:6]
    assert (int(pid), int(parent)) == (process.pid, os.getpid())
    assert (int(group), int(session)) == (os.getpgrp(), os.getsid(0))


def test_3061_exit_status_and_death_by_a_signal_are_the_programs_own(alice):
    assert wrap(alice, "/nobody", "sh", "-c", "exit 7").returncode == 7
    assert wrap(alice, "/nobody", "sh", "-c", "kill -TERM $$").returncode == -signal.SIGTERM


@pytest.mark.without_sanitizers
def test_3062_signals_limits_descriptors_and_environment_are_the_callers(alice):
    """Compared with the same program started without lowport wrap."""
    script = ("cat /proc/self/limits; env | grep -v '^_='; pwd; nice; umask; "
              "ls -l /proc/self/fd | sed 's/.*:.. //; s/[0-9][0-9]*//g'; grep -c . /proc/self/maps")

    def odd():
        os.nice(3)
        os.umask(0o123)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGCHLD])
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 30))

    with open("/dev/null", "rb") as extra:
        how = {"preexec_fn": odd, "pass_fds": [extra.fileno()], "cwd": "/usr"}
        for command in (SIGNALS, ["sh", "-c", script]):
            plain = alice.run(*command, **how)
            wrapped = wrap(alice, "/nobody", *command, **how)
            assert wrapped.stdout == plain.stdout and wrapped.stderr == plain.stderr == ""
            assert "SigBlk:\t0000000000010800" in plain.stdout or " 30 " in plain.stdout


def test_3063_closed_standard_descriptors_stay_closed(alice):
    script = "exec 3>&1; exec <&- >&- 2>&-; exec lowport wrap --via=seccomp -- sh -c 'ls /proc/$$/fd >&3'"
    plain = script.replace("lowport wrap --via=seccomp -- ", "")
    expected = lines(alice.run("sh", "-c", plain))
    assert lines(alice.run("sh", "-c", script)) == expected and "3" in expected


def test_3064_wait_sees_the_programs_own_children_only(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    assert lines(wrap(alice, d, WRAPPED, "wait", 80)) == ["child 7", "ECHILD"]


@pytest.mark.users
def test_3065_also_as_process_1_of_a_container(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    command = ["unshare", "--pid", "--fork", "--mount", "--mount-proc", *alice.prefix, "lowport",
               "wrap", SECCOMP, "--own-socket", d.own_socket, "--", WRAPPED, "wait", "80"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60,
                            check=False, env=world.ENVIRONMENT)
    assert lines(result) == ["child 7", "ECHILD"] and result.stderr == ""


def test_3066_the_terminal_reaches_the_program_alone(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    program = ("import os, sys, socket, signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
               "ours = os.tcgetpgrp(0) == os.getpgrp()\nsocket.socket().bind(('127.0.0.1', 80))\n"
               "print('ready', ours, flush=True); signal.pause()")
    pid, terminal = pty.fork()
    if pid == 0:
        command = [*alice.prefix, "lowport", "wrap", SECCOMP, "--own-socket", d.own_socket, "--",
                   PYTHON, "-c", program]
        os.execvpe(command[0], list(map(str, command)), world.ENVIRONMENT)
    try:
        said = b""
        while b"\n" not in said:
            assert select.select([terminal], [], [], world.DEADLINE)[0], said
            said += os.read(terminal, 4096)
        assert b"ready True" in said
        supervisor = children(pid)[0]
        stat = pathlib.Path(f"/proc/{supervisor}/stat").read_text().rsplit(")", 1)[1].split()
        assert int(stat[3]) == supervisor and int(stat[4]) == 0  # session, terminal
        gone = Exit(supervisor)
        os.write(terminal, b"\x03")
        status = os.waitpid(pid, 0)[1]
        pid = 0
        assert os.waitstatus_to_exitcode(status) == -signal.SIGINT
        gone.wait()
    finally:
        os.close(terminal)
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def test_3067_a_pipe_ends_with_the_program_and_the_supervisor_with_the_last_target(alice, place):
    """The first process ends; one that it left behind, which has let go of the pipe, goes on."""
    gate = place / "gate"
    os.mkfifo(gate, 0o666)
    gate.chmod(0o666)
    program = (f"import os\nprint(*open(f'/proc/self/task/{{os.getpid()}}/children').read().split(),"
               f" flush=True)\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n"
               f"    [os.dup2(os.open('/dev/null', os.O_RDWR), fd) for fd in (0, 1, 2)]\n"
               f"    os.execvp('cat', ['cat', '{gate}'])\n")
    process = alice.popen("lowport", "wrap", SECCOMP, "--", PYTHON, "-c", program,
                          stdout=subprocess.PIPE)
    told = process.communicate(timeout=60)[0]  # to the end of the pipe
    supervisor = int(told.split()[0])
    assert name_of(supervisor) == "lowport-wrap"
    gone = Exit(supervisor)
    assert not select.select([gone.fd], [], [], 0)[0]
    with open(gate, "w", encoding="ascii"):
        pass
    gone.wait()


@pytest.mark.parametrize("restart", [[], ["restart"]], ids=["interrupting", "restarting"])
@pytest.mark.parametrize("port", [80, 8080])
def test_3068_a_program_with_a_timer_still_binds(daemon, alice, port, restart):
    """A signal in the microseconds before the supervisor has taken the call interrupts it, as the
    kernel has it; a handler with SA_RESTART does not show that."""
    d = daemon(f"allow user {alice} tcp 80")
    rounds = 1000 if port == 80 else 10000
    result = wrap(alice, d, WRAPPED, "timer", port, 20000, rounds, *restart)
    counts = dict(line.split() for line in lines(result))
    print(counts)
    assert counts.pop("ticks") == "1"
    assert set(counts) <= ({"bound"} if restart else {"bound", "EINTR"}), counts
    assert int(counts["bound"]) >= rounds * 0.98


# The supervisor.


def test_3080_its_processes_are_small_and_let_go_of_everything(daemon, alice, place):
    d = daemon(f"allow user {alice} tcp 100-299")
    with Served(alice, d) as served:
        pids = served.witness(), served.supervisor()
        assert served.bind(100) == "bound"
        for pid in pids:
            facts = world.status(pid)
            assert facts["Name"] == "lowport-wrap" and os.readlink(f"/proc/{pid}/cwd") == "/"
            assert b"serve" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            held = descriptors(pid)
            assert [one for one in held if "socket" in one] == [], held
            assert len([one for one in held if "pipe" in one]) == 1, held  # standard error
        before = [descriptors(pid) for pid in pids]
        assert [served.bind(port) for port in range(101, 300)] == ["bound"] * 199
        eventually(lambda: children(pids[1]) == [], "no helpers left")
        assert [descriptors(pid) for pid in pids] == before


@pytest.mark.without_sanitizers
def test_3081_it_takes_a_mebibyte_at_most(stuck, alice):
    """Eight binds at once, the most that it has helpers for, wait for a daemon that is stuck."""
    script = "".join(f"{WRAPPED} bind {V4} {port} & " for port in range(100, 112)) + "wait"
    process = alice.popen("lowport", "wrap", SECCOMP, "--own-socket", stuck.path, "--", "sh", "-c",
                          script, stdout=subprocess.PIPE)
    try:
        supervisor = serving(process.pid)
        witness = int(world.status(supervisor)["PPid"])
        eventually(lambda: len(children(supervisor)) == 8, "eight helpers")
        busy = memory(witness, supervisor, *children(supervisor))
        stuck.answer()
        assert process.communicate(timeout=60)[0].split() == ["bound"] * 12
    finally:
        process.kill()
        process.wait()
    with Served(alice, stuck) as served:
        idle = memory(served.witness(), served.supervisor())
    print(f"supervisor: {idle} kB idle, {busy} kB with eight helpers")
    assert idle <= MEBIBYTE and busy <= MEBIBYTE, (idle, busy)


def test_3082_a_daemon_that_is_stuck_holds_up_nobody_else(stuck, alice):
    script = (f"{WRAPPED} bind {V4} 80 & {WRAPPED} bind {V4} 8080 192.0.2.1 8081; "
              f"{WRAPPED} threads 8100 20; echo others; wait")
    process = alice.popen("lowport", "wrap", SECCOMP, "--own-socket", stuck.path, "--", "sh", "-c",
                          script, stdout=subprocess.PIPE)
    said = [process.stdout.readline().strip() for _ in range(4)]
    assert said == ["bound", "EADDRNOTAVAIL", "20", "others"]
    stuck.wait_until_asked()
    stuck.answer()
    assert process.communicate(timeout=60)[0] == "bound\n"


def test_3083_one_that_is_killed_is_replaced_and_that_is_said(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80-99")
    with Served(alice, d) as served:
        first, witness = served.supervisor(), served.witness()
        os.kill(first, signal.SIGKILL)
        served.says(f"supervisor of wrapped (pid {served.pid}) has ended (signal 9)",
                    "another one takes its place")
        assert served.bind(80) == "bound"
        assert served.witness() == witness
        second = served.supervisor()
        assert second != first
        # And the other way round: who serves goes on, and has somebody watch.
        one = Exit(witness)
        os.kill(witness, signal.SIGKILL)
        one.wait()
        third = eventually(lambda: next(iter(children(second)), None), "a new supervisor")
        assert served.bind(81) == "bound"
        served.watchers += [Exit(second), Exit(third)]
        os.kill(third, signal.SIGKILL)
        fourth = eventually(lambda: next((pid for pid in children(second) if pid != third), None),
                            "another one")
        assert served.bind(82) == "bound"
        served.watchers.append(Exit(fourth))


def test_3084_a_call_that_was_under_way_is_answered_by_the_next_one(stuck, alice):
    with Served(alice, stuck) as served:
        served.tell(80)
        stuck.wait_until_asked()
        os.kill(served.supervisor(), signal.SIGKILL)
        served.says("another one takes its place")
        stuck.answer()
        assert served.hear() == "bound"


def test_3085_a_helper_that_is_killed_is_replaced(stuck, alice):
    with Served(alice, stuck) as served:
        served.tell(80)
        stuck.wait_until_asked()
        supervisor = served.supervisor()
        helper = children(supervisor)[0]
        os.kill(helper, signal.SIGKILL)
        eventually(lambda: [pid for pid in children(supervisor) if pid != helper], "another helper")
        stuck.answer()
        assert served.hear() == "bound"
        assert served.bind(8080) == "bound"


def test_3086_helpers_that_die_again_and_again_end_in_eacces(stuck, alice):
    with Served(alice, stuck) as served:
        supervisor, seen = served.supervisor(), set()
        served.tell(80)
        for _ in range(3):
            helper = eventually(lambda: next((pid for pid in children(supervisor)
                                              if pid not in seen), None), "a helper")
            seen.add(helper)
            os.kill(helper, signal.SIGKILL)
        assert served.hear() == "EACCES"
        served.says("helping it with a low port failed")
        assert served.bind(8080) == "bound"


def test_3087_when_none_can_be_kept_alive_that_is_said(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with Served(alice, d) as served:
        seen = set()
        for _ in range(6):
            pid = eventually(lambda: next((pid for pid in children(served.witness())
                                           if pid not in seen), None), "a supervisor")
            seen.add(pid)
            os.kill(pid, signal.SIGKILL)
        served.says("from now on bind(2) fails with ENOSYS")
        served.watchers[0].wait()
        served.watchers = []
        assert served.bind(80) == "ENOSYS"


def test_3088_a_target_that_is_killed_under_way_leaves_nothing(stuck, alice):
    script = f"{WRAPPED} bind {V4} 80 & echo $!; wait; echo over; read line; {WRAPPED} bind {V4} 80"
    process = alice.popen("lowport", "wrap", SECCOMP, "--own-socket", stuck.path, "--", "sh", "-c",
                          script, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        target = int(process.stdout.readline())
        supervisor = serving(process.pid)
        stuck.wait_until_asked()
        during = descriptors(supervisor)
        os.kill(target, signal.SIGKILL)
        assert process.stdout.readline() == "over\n"
        stuck.answer()
        eventually(lambda: children(supervisor) == [], "no helper left")
        assert descriptors(supervisor) == during
        assert process.communicate("\n", timeout=60)[0] == "bound\n"
    finally:
        process.kill()
        process.wait()


def test_3089_the_socket_may_be_named_by_a_relative_path(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    for via in (SECCOMP, "--via=preload"):
        bound(wrap(alice, "own.socket", "sh", "-c", f"cd /; {WRAPPED} bind {V4} 80", options=[via],
                   cwd=d.state))


