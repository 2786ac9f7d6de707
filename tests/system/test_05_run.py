# SPDX-License-Identifier: MIT
"""`lowport run`: the program gets its sockets, or the person who started it learns why not."""

import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

import world
from world import HOME, SOURCE, eventually

PYTHON = "/usr/bin/python3"
SERVE = HOME / "serve.py"
USAGE, DENIED, IN_USE, UNREACHABLE, FAILED, CANNOT_RUN, NOT_FOUND = 2, 121, 122, 123, 125, 126, 127


@pytest.fixture(autouse=True, scope="module")
def program():
    shutil.copy(SOURCE / "tests/system/serve.py", SERVE)
    SERVE.chmod(0o644)


def shown(result):
    assert result.returncode == 0, result
    facts = json.loads(result.stdout)
    facts["sockets"] = {int(fd): what for fd, what in facts["sockets"].items()}
    return facts


def ask(port, address="127.0.0.1"):
    """Connects until something listens there, and returns what it says."""
    def attempt():
        try:
            with socket.create_connection((address, port), timeout=10) as s:
                return s.recv(100).decode()
        except ConnectionRefusedError:
            return None
    return eventually(attempt, f"an answer on {address} port {port}")


@contextlib.contextmanager
def running(person, *command, at, **options):
    process = person.popen(*command, at=at, stderr=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_100_a_program_serves_on_port_80_without_a_privilege(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with running(alice, "lowport", "run", "-l", "tcp:80", "--", PYTHON, SERVE, "answer", "hello",
                 at=d) as program:
        assert ask(80) == ask(80, "::1") == "hello"
        facts = world.status(program.pid)  # the pid stayed: lowport itself is gone
        assert facts["Name"].startswith("python3") and int(facts["CapPrm"], 16) == 0
    d.says("granted", "tcp [::]:80", str(alice.uid), f"pid {program.pid}")


def test_101_the_program_gets_its_sockets_in_order_with_their_names(daemon, alice):
    d = daemon(f"allow user {alice} tcp,udp 1-1023")
    facts = shown(alice.run(
        "lowport", "run", "-l", "tcp:80", "-l", "udp:[::1]:53", "-l", "tcp4:127.0.0.1:444,name=web",
        "-l", "tcp6:[::1]:443,nolisten", "--no-direct", "--", PYTHON, SERVE, "show", at=d,
        env={"LISTEN_PIDFDID": "7"}))
    assert facts["sockets"] == {
        3: ["AF_INET6", "SOCK_STREAM", "::", 80, 1],
        4: ["AF_INET6", "SOCK_DGRAM", "::1", 53, 0],
        5: ["AF_INET", "SOCK_STREAM", "127.0.0.1", 444, 1],
        6: ["AF_INET6", "SOCK_STREAM", "::1", 443, 0]}
    environment = facts["environment"]
    assert environment["LISTEN_FDS"] == "4" and environment["LISTEN_PID"] == str(facts["pid"])
    names = environment["LISTEN_FDNAMES"].split(":")
    assert len(names) == 4 and names[2] == "web" and len(set(names)) == 4
    assert "LISTEN_PIDFDID" not in environment


def test_102_a_service_name_is_a_port(daemon, alice):
    d = daemon(f"allow user {alice} tcp https")
    facts = shown(alice.run("lowport", "run", "-l", "https", "--", PYTHON, SERVE, "show", at=d))
    assert facts["sockets"][3] == ["AF_INET6", "SOCK_STREAM", "::", 443, 1]


def test_103_stdin_is_the_socket_if_asked(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with running(alice, "lowport", "run", "--stdin", "-l", "tcp:80", "--", PYTHON, SERVE,
                 "answer-stdin", "in", at=d):
        assert ask(80) == "in"
    facts = shown(alice.run("lowport", "run", "--stdin", "-l", "tcp:80", "--", PYTHON, SERVE, "show",
                            at=d))
    assert list(facts["sockets"]) == [0] and facts["environment"] == {}
    two = alice.run("lowport", "run", "--stdin", "-l", "tcp:80", "-l", "tcp:81", "--", "true", at=d)
    assert two.returncode == USAGE and two.stderr.startswith("lowport: ")


def test_104_no_pid_leaves_listen_pid_out(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    facts = shown(alice.run("lowport", "run", "--no-pid", "-l", "tcp:80", "--", "sh", "-c",
                            f"{PYTHON} {SERVE} show; true", at=d, env={"LISTEN_PID": "1"}))
    assert facts["environment"]["LISTEN_FDS"] == "1"
    assert "LISTEN_PID" not in facts["environment"]


def test_105_env_builds_a_variable_from_the_descriptors(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80,443")
    facts = shown(alice.run("lowport", "run", "--env", "SHOWN={fd;}", "-l", "tcp:80", "-l", "tcp:443",
                            "--", PYTHON, SERVE, "show", at=d))
    assert facts["environment"]["SHOWN"] == "3;4;"


def test_106_wait_outlasts_the_daemons_start(alice, daemon):
    late = HOME / "late"
    late.mkdir()
    waiting = alice.popen("lowport", "run", "--no-direct", "--wait", 60, "-l", "tcp:80", "--", PYTHON,
                          SERVE, "show", at=late / "state/socket", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    # It is seen to wait: alive although nothing answers.
    eventually(lambda: world.name_of(waiting.pid) == "lowport", "lowport runs")
    assert waiting.poll() is None
    d = daemon(f"allow user {alice} tcp 80", home=late)
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert json.loads(out)["sockets"]["3"][3] == 80
    d.says("granted")


def test_107_wait_outlasts_another_holder_of_the_port(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with socket.create_server(("127.0.0.1", 80)):
        waiting = alice.popen("lowport", "run", "--wait", 60, "-l", "tcp:80", "--", PYTHON, SERVE,
                              "show", at=d, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        d.says("failed", str(alice.uid))
        assert waiting.poll() is None
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert json.loads(out)["sockets"]["3"][3] == 80


def test_108_wait_gives_up_in_the_end(alice):
    begin = time.monotonic()
    result = alice.run("lowport", "run", "--no-direct", "--wait", 1, "-l", "tcp:80", "--", "true",
                       at=HOME / "nobody-there")
    assert result.returncode == UNREACHABLE and 0.9 < time.monotonic() - begin < 10 * world.SLOW
    assert str(HOME / "nobody-there") in result.stderr


def test_109_a_port_that_needs_no_privilege_is_bound_directly(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    verbose = alice.run("lowport", "run", "-v", "-l", "tcp:8080", "-l", "tcp:80", "--", PYTHON,
                        SERVE, "show", at=d)
    assert [what[3] for what in shown(verbose)["sockets"].values()] == [8080, 80]
    assert "8080" in verbose.stderr and "direct" in verbose.stderr, verbose.stderr
    assert not d.said(":8080")


def test_110_without_a_daemon_a_port_is_bound_directly_if_the_kernel_allows(alice):
    nowhere = HOME / "nobody-there"
    assert shown(alice.run("lowport", "run", "-l", "tcp:8080", "--", PYTHON, SERVE, "show",
                           at=nowhere))["sockets"][3][3] == 8080
    result = alice.run("lowport", "run", "-l", "tcp:80", "--", PYTHON, SERVE, "show", at=nowhere)
    assert result.returncode == UNREACHABLE and not result.stdout
    # Both roads were tried, and both errors are shown.
    assert str(nowhere) in result.stderr and "ermission denied" in result.stderr, result.stderr


@pytest.mark.users
def test_111_root_needs_no_daemon(root):
    result = subprocess.run([world.BIN / "lowport", "run", "-l", "tcp:80", "--", PYTHON, SERVE,
                             "show"], capture_output=True, text=True, check=False, timeout=60,
                            env=root.environment(HOME / "nobody-there"))
    assert shown(result)["sockets"][3] == ["AF_INET6", "SOCK_STREAM", "::", 80, 1]


def test_112_no_direct_insists_on_the_daemon(alice):
    result = alice.run("lowport", "run", "--no-direct", "-l", "tcp:8080", "--", "true",
                       at=HOME / "nobody-there")
    assert result.returncode == UNREACHABLE
    assert "ermission denied" not in result.stderr


def test_113_if_one_socket_fails_the_program_is_not_started(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    result = alice.run("lowport", "run", "-l", "tcp:80", "-l", "tcp:81", "--", "echo", "started", at=d)
    assert result.returncode == DENIED and not result.stdout, result
    alice.open(d, "tcp", 80).granted().close()


def test_114_a_denial_says_who_what_and_which_line_would_help(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    result = alice.run("lowport", "run", "-l", "tcp:443", "--", "true", at=d)
    assert result.returncode == DENIED and not result.stdout
    first = result.stderr.splitlines()[0]
    assert first.startswith("lowport: tcp [::]:443: denied: no rule allows "), first
    assert f"uid {alice.uid}" in first
    assert f"allow user {alice} tcp 443" in " ".join(result.stderr.split()), result.stderr


def test_115_a_port_in_use_is_said_to_be_in_use(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    with alice.open(d, "tcp", 80).granted():
        result = alice.run("lowport", "run", "-l", "tcp:80", "--", "true", at=d)
    assert result.returncode == IN_USE and "in use" in result.stderr
    assert "tcp [::]:80" in result.stderr and not result.stdout


@pytest.mark.parametrize("command, code", [
    (["/no/such/program"], NOT_FOUND), (["no-such-program"], NOT_FOUND), (["/etc/passwd"], CANNOT_RUN),
    (["/"], CANNOT_RUN), (["sh", "-c", "exit 42"], 42)])
def test_116_the_exit_status_is_the_programs_or_says_why_it_did_not_run(daemon, alice, command, code):
    d = daemon(f"allow user {alice} tcp 80")
    result = alice.run("lowport", "run", "-l", "tcp:80", "--", *command, at=d)
    assert result.returncode == code, result
    assert code == 42 or (command[0] in result.stderr and result.stderr.startswith("lowport: "))


@pytest.mark.parametrize("arguments", [
    [], ["run"], ["run", "--", "true"], ["run", "-l", "tcp:80"], ["run", "-l", "tcp:80", "--"],
    ["run", "-l", "tcp:0", "--", "true"], ["run", "-l", "tcp:65536", "--", "true"],
    ["run", "-l", "tpc:80", "--", "true"], ["run", "-l", "tcp:80,colour=red", "--", "true"],
    ["run", "-l", "tcp4:[::1]:80", "--", "true"], ["run", "-l", "tcp:nosuchservice", "--", "true"],
    ["run", "-l", "", "--", "true"], ["run", "--wait", "x", "-l", "tcp:80", "--", "true"],
    ["run", "--env", "novalue", "-l", "tcp:80", "--", "true"], ["run", "--nonsense"], ["nonsense"]])
def test_117_wrong_usage_is_said_on_standard_error(alice, arguments):
    result = alice.run("lowport", *arguments)
    assert result.returncode == USAGE and not result.stdout, result
    assert result.stderr.startswith(("lowport: ", "usage: ", "Usage: ")), result.stderr


def test_118_help_is_for_everybody(alice):
    for arguments in (["--help"], ["run", "--help"], ["check", "--help"], ["--version"]):
        result = alice.run("lowport", *arguments)
        assert result.returncode == 0 and result.stdout and not result.stderr, result


def test_119_the_program_inherits_nothing_else(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    result = alice.run("lowport", "run", "-l", "tcp:80", "--", "sh", "-c",
                       "ls /proc/$$/fd; grep -E 'SigBlk|SigIgn' /proc/self/status", at=d)
    lines = result.stdout.splitlines()
    assert lines[:-2] == ["0", "1", "2", "3"], lines
    assert all(int(line.split()[1], 16) == 0 for line in lines[-2:]), lines


def test_120_a_restart_takes_the_port_over_at_once(daemon, alice):
    """A server that ends with connections open leaves them in TIME_WAIT; the port is free."""
    d = daemon(f"allow user {alice} tcp 80")
    for turn in range(3):
        with running(alice, "lowport", "run", "-l", "tcp:80", "--", PYTHON, SERVE, "answer",
                     str(turn), at=d):
            assert ask(80) == str(turn)


def test_121_the_socket_is_found_by_option_too(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    result = alice.run("lowport", "run", "--socket", d.socket, "-l", "tcp:80", "--", PYTHON, SERVE,
                       "show", at=HOME / "nobody-there")
    assert shown(result)["sockets"][3][3] == 80


def test_122_the_default_path_needs_no_option_at_all(daemon, alice):
    conf = pathlib.Path("/etc/lowport/policy.conf")
    conf.parent.mkdir()
    conf.write_text(f"allow user {alice} tcp 80\n")
    try:
        d = daemon(bare=True)
        result = alice.run("lowport", "run", "-l", "tcp:80", "--", PYTHON, SERVE, "show")
        assert shown(result)["sockets"][3][3] == 80
        assert str(conf) in d.says("granted")
    finally:
        shutil.rmtree(conf.parent)


def test_123_http_server_of_python_answers_a_real_request(daemon, alice):
    d = daemon(f"allow user {alice} tcp 80")
    code = ("import http.server, socket; s = http.server.HTTPServer(('', 0), "
            "http.server.SimpleHTTPRequestHandler, bind_and_activate=False); "
            "s.socket = socket.socket(fileno=3); s.serve_forever()")
    with running(alice, "lowport", "run", "-l", "tcp:80", "--", PYTHON, "-c", code, at=d,
                 stdout=subprocess.DEVNULL):
        def attempt():
            try:
                with socket.create_connection(("127.0.0.1", 80), timeout=10) as s:
                    s.sendall(b"GET /serve.py HTTP/1.0\r\n\r\n")
                    with s.makefile("rb") as file:
                        return file.read()
            except ConnectionRefusedError:
                return None
        answer = eventually(attempt, "the server answers")
    assert answer.startswith(b"HTTP/1.0 200 OK") and b"SPDX-License-Identifier" in answer
