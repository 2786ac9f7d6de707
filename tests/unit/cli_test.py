# SPDX-License-Identifier: MIT
"""`lowport run` and `lowport status` as a user sees them, and the client of docs/protocol.md,
against a daemon of the tests' own. Usage: cli_test.py PATH-OF-LOWPORT ROOT-OF-THE-SOURCES

It runs itself again in a network namespace of its own, where every port is free."""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import fake_daemon  # noqa: E402

LOWPORT, ROOT = sys.argv[1:3]
SHOW = """
import json, os, socket
fds = range(3, 3 + int(os.environ.get("LISTEN_FDS", 0))) or [0]
sockets = [socket.socket(fileno=fd) for fd in fds]
names = [s.getsockname()[:2] for s in sockets]
listen = {k: v for k, v in os.environ.items() if k.startswith(("LISTEN_", "T_"))}
print(json.dumps({"names": names, "environment": listen, "pid": os.getpid(),
                  "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))}))
"""
# No capability at all: as any user has it.
WITHOUT = ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="lowport-test-")
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "socket")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("LISTEN_")}
        self.environment["LOWPORT_SOCKET"] = self.path
        self.environment["LOWPORT_OWN_SOCKET"] = os.path.join(self.directory.name, "own.socket")

    def start_daemon(self, path=None):
        daemon = fake_daemon.Daemon(path or self.path)
        self.addCleanup(daemon.stop)
        return daemon

    def run_command(self, *command, **options):
        environment = self.environment | options.pop("environment", {})
        return subprocess.run(command, env=environment, text=True, capture_output=True,
                              timeout=30, check=False, stdin=subprocess.DEVNULL, **options)

    def lowport(self, *arguments, **options):
        return self.run_command(LOWPORT, *arguments, **options)

    def show(self, *arguments, **options):
        result = self.lowport("run", *arguments, "--", sys.executable, "-c", SHOW, **options)
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        return json.loads(result.stdout)


class Run(Case):
    def test_sockets_come_from_the_daemon(self):
        daemon = self.start_daemon()
        shown = self.show("-l", "tcp:80", "-l", "udp:[::1]:53,name=dns", "-l", "tcp6:443",
                          "-l", "tcp4:127.0.0.1:22,backlog=9,nolisten")
        self.assertEqual(shown["names"], [["::", 80], ["::1", 53], ["::", 443], ["127.0.0.1", 22]])
        self.assertEqual(shown["environment"], {
            "LISTEN_FDS": "4", "LISTEN_PID": str(shown["pid"]),
            "LISTEN_FDNAMES": "tcp-80:dns:tcp-443:tcp-22"})
        self.assertEqual([r[2:] for r in daemon.requests],
                         [(6, 80, 0, 2147483647), (6, 53, 0, 0), (6, 443, 1, 2147483647),
                          (4, 22, 2, 9)])
        # Nothing else was left open: 7 is the directory that is being read.
        self.assertEqual(shown["open"], [0, 1, 2, 3, 4, 5, 6, 7])

    def test_the_pid_stays(self):
        self.start_daemon()
        with subprocess.Popen([LOWPORT, "run", "-l", "tcp:80", "--", "sh", "-c", "echo $$"],
                              env=self.environment, stdout=subprocess.PIPE) as process:
            self.assertEqual(int(process.stdout.read()), process.pid)

    def test_env_templates(self):
        shown = self.show("-l", "tcp:80,name=a", "-l", "tcp:443,name=b", "--env", "T_1={fd;}",
                          "--env", "T_2=x{fd,fd}", "--env", "T_3={fd:b}", "--no-pid")
        self.assertEqual(shown["environment"], {
            "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "T_1": "3;4;", "T_2": "x3,4", "T_3": "4"})

    def test_stdin(self):
        shown = self.show("-l", "tcp4:80", "--stdin", "--env", "T_FD={fd}")
        self.assertEqual(shown["names"], [["0.0.0.0", 80]])
        self.assertEqual(shown["environment"], {"T_FD": "0"})

    def test_a_free_port_is_not_asked_for(self):
        daemon = self.start_daemon()
        self.assertEqual(self.show("-l", "tcp:8080")["names"], [["::", 8080]])
        self.assertEqual(daemon.requests, [])
        result = self.lowport("run", "-v", "-l", "tcp:8080", "true")
        self.assertIn("tcp [::]:8080: bound directly, for it needs no privilege", result.stderr)

    def test_without_a_daemon_it_binds_directly(self):
        self.assertEqual(self.show("-l", "tcp:80")["names"], [["::", 80]])
        result = self.lowport("run", "--no-direct", "-l", "tcp:80", "true")
        self.assertEqual(result.returncode, 123)
        self.assertIn(f"no daemon can be reached at {self.path}: No such file", result.stderr)

    def test_both_failures_are_told(self):
        result = self.run_command(*WITHOUT, LOWPORT, "run", "-l", "tcp:80", "true")
        self.assertEqual(result.returncode, 123)
        self.assertIn("tcp [::]:80: no daemon can be reached at", result.stderr)
        self.assertIn("tcp [::]:80: binding it directly: Permission denied", result.stderr)

    def test_a_denial_names_the_rule(self):
        self.start_daemon()
        result = self.lowport("run", "-l", "tcp:80", "-l", "tcp:81", "echo", "started")
        self.assertEqual((result.returncode, result.stdout), (121, ""))
        self.assertRegex(result.stderr, r"^lowport: tcp \[::\]:81: denied to user \S+ \(uid \d+\) "
                                        r"by /etc/lowport/policy.conf:7\n")

    def test_a_port_in_use(self):
        self.start_daemon()
        result = self.lowport("run", "-l", "tcp:82", "true")
        self.assertEqual(result.returncode, 122)
        self.assertIn("tcp [::]:82: in use: another program holds", result.stderr)
        with socket.create_server(("127.0.0.1", 8082)):
            result = self.lowport("run", "-l", "127.0.0.1:8082", "true")
        self.assertEqual(result.returncode, 122)

    def test_wait_for_the_port(self):
        daemon = self.start_daemon()
        self.assertEqual(self.show("-l", "tcp:82", "--wait", "20")["names"], [["::", 82]])
        self.assertEqual(len(daemon.requests), 3)

    def test_wait_for_the_daemon(self):
        timer = threading.Timer(0.3, self.start_daemon)
        timer.start()
        self.addCleanup(timer.join)
        self.assertEqual(self.show("-l", "tcp:80", "--no-direct", "--wait", "20")["names"],
                         [["::", 80]])

    def test_waiting_for_a_port_ends_with_what_the_daemon_said(self):
        self.start_daemon().busy = 1000
        for _ in range(5):
            result = self.lowport("run", "-l", "tcp:82", "--wait", "0.1", "true")
            self.assertEqual(result.returncode, 122, result.stderr)

    def test_waiting_ends(self):
        begin = time.monotonic()
        result = self.lowport("run", "-l", "tcp:80", "--no-direct", "--wait", "0.3", "true")
        self.assertEqual(result.returncode, 123)
        self.assertGreaterEqual(time.monotonic() - begin, 0.3)

    def test_a_program_that_cannot_be_run(self):
        result = self.lowport("run", "-l", "tcp:80", "/nonexistent")
        self.assertEqual((result.returncode, result.stderr),
                         (127, "lowport: cannot run /nonexistent: No such file or directory\n"))
        self.assertEqual(self.lowport("run", "-l", "tcp:80", "/").returncode, 126)

    def test_the_exit_status_is_that_of_the_program(self):
        self.assertEqual(self.lowport("run", "-l", "tcp:80", "sh", "-c", "exit 42").returncode, 42)

    def test_sockets_that_were_passed_to_it_stay_first(self):
        shown = self.lowport("run", "-l", "tcp:80,name=outer", "--", LOWPORT, "run",
                             "-l", "tcp:443,name=inner", "--", sys.executable, "-c", SHOW)
        shown = json.loads(shown.stdout)
        self.assertEqual(shown["names"], [["::", 80], ["::", 443]])
        self.assertEqual(shown["environment"]["LISTEN_FDNAMES"], "outer:inner")
        self.assertEqual(shown["environment"]["LISTEN_FDS"], "2")
        # What was meant for another process is not taken over.
        shown = self.show("-l", "tcp:443", environment={
            "LISTEN_PID": "1", "LISTEN_FDS": "5", "LISTEN_FDNAMES": "x", "LISTEN_PIDFDID": "9"})
        self.assertEqual(shown["environment"], {
            "LISTEN_FDS": "1", "LISTEN_PID": str(shown["pid"]), "LISTEN_FDNAMES": "tcp-443"})

    def test_closed_standard_descriptors_stay_closed(self):
        result = subprocess.run(
            ["sh", "-c", 'exec "$@" 0<&- 2>&-', "sh", LOWPORT, "run", "-l", "tcp:80", "-l",
             "tcp:443", "--", "sh", "-c", "echo /proc/self/fd/*"],
            env=self.environment, text=True, stdout=subprocess.PIPE, timeout=30, check=False)
        self.assertNotIn("/proc/self/fd/2", result.stdout.split())
        for fd in "134":
            self.assertIn(f"/proc/self/fd/{fd}", result.stdout.split())


class OwnMode(Case):
    """The program's own sockets, which the daemon binds."""

    def test_they_are_bound_by_the_daemon_of_own_mode(self):
        daemon = self.start_daemon(self.environment["LOWPORT_OWN_SOCKET"])
        shown = self.show("--own", "-l", "tcp:80", "-l", "tcp6:443,backlog=9,reuseport",
                          "-l", "udp:127.0.0.1:53,name=dns", "--no-direct")
        self.assertEqual(shown["names"], [["::", 80], ["::", 443], ["127.0.0.1", 53]])
        self.assertEqual(shown["environment"]["LISTEN_FDNAMES"], "tcp-80:tcp-443:dns")
        self.assertEqual(shown["open"], [0, 1, 2, 3, 4, 5, 6])
        self.assertEqual(daemon.requests, [
            (operation, *rest) for rest in ((6, 6, 80, 0, 0), (6, 6, 443, 1, 0), (17, 4, 53, 0, 0))
            for operation in (3, 2)])  # CHECK, OWN

    def test_the_option_names_its_socket(self):
        path = os.path.join(self.directory.name, "another")
        self.start_daemon(path)
        result = self.lowport("run", "--own", "--own-socket", path, "-v", "-l", "tcp:80", "true")
        self.assertEqual((result.returncode, result.stderr),
                         (0, "lowport: tcp [::]:80: our own, bound by the daemon\n"))

    def test_a_denial_is_one_in_own_mode_too(self):
        self.start_daemon(self.environment["LOWPORT_OWN_SOCKET"])
        result = self.lowport("run", "--own", "-l", "tcp:81", "true")
        self.assertEqual(result.returncode, 121)
        self.assertIn("by /etc/lowport/policy.conf:7\n", result.stderr)

    def test_what_is_for_own_mode_alone(self):
        self.start_daemon()
        for options in (("--own-socket", "/x"), ("-l", "tcp:82,mptcp"),
                        ("--own", "--socket", "/x")):
            result = self.lowport("run", *options, "-l", "tcp:80", "echo", "started")
            self.assertEqual((result.returncode, result.stdout), (2, ""))
        result = self.lowport("explain", "tcp:80,reuseport")
        self.assertEqual(result.returncode, 0)
        self.assertIn("reuseport and mptcp are for 'lowport run --own'", result.stderr)
        self.assertEqual(self.lowport("explain", "tcp:80").stderr, "")


class Status(Case):
    def test_for_programs(self):
        self.start_daemon()
        state = json.loads(self.lowport("status", "--json").stdout)
        self.assertEqual(state["version"], "9.9")
        self.assertEqual(state["uptime"], 61)
        keys = ("granted denied failed over_limit malformed evicted abandoned records_lost "
                "generation rules workers workers_idle workers_stuck workers_max "
                "workers_per_user").split()
        self.assertEqual([state[key] for key in keys], list(range(1, 16)))

    def test_for_people(self):
        self.start_daemon()
        text = self.lowport("status").stdout
        self.assertIn("lowportd 9.9, up 0 d 0 h 1 min 1 s\n", text)
        self.assertNotIn("\033", text)

    def test_without_a_daemon(self):
        result = self.lowport("status")
        self.assertEqual((result.returncode, result.stdout), (123, ""))
        self.assertEqual(self.lowport("status", "--nonsense").returncode, 2)
        self.assertEqual(self.lowport("status", "more").returncode, 2)


class Help(Case):
    def test_each_command_has_help(self):
        for command in ("run", "check", "explain", "status"):
            first, second = self.lowport(command, "--help"), self.lowport("help", command)
            self.assertEqual((first.returncode, first.stderr), (0, ""))
            self.assertTrue(first.stdout.startswith(f"Usage: lowport {command} "))
            self.assertEqual(first.stdout, second.stdout)
            for line in first.stdout.splitlines():
                self.assertLessEqual(len(line), 100)

    def test_misuse(self):
        self.assertEqual(self.lowport().returncode, 2)
        self.assertEqual(self.lowport("nonsense").returncode, 2)
        self.assertEqual(self.lowport("help", "nonsense").returncode, 2)
        self.assertRegex(self.lowport("--version").stdout, r"^lowport \d+\.\d+\.\d+\n$")


class Document(Case):
    """docs/protocol.md is what others write their clients by."""

    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, "docs/protocol.md"), encoding="utf-8") as file:
            self.text = file.read()

    def test_its_client_gets_a_socket(self):
        code, = re.findall(r"^```python\n(.*?)^```", self.text, re.M | re.S)
        self.assertLessEqual(len(code.splitlines()), 25)
        self.start_daemon()
        result = self.run_command(sys.executable, "-c", code, "80")
        self.assertEqual((result.stdout, result.stderr), ("('::', 80, 0, 0)\n", ""))
        result = self.run_command(sys.executable, "-c", code, "81")
        self.assertIn("PermissionError: [Errno 13] Permission denied (reason 1, uid", result.stderr)
        self.assertIn("/etc/lowport/policy.conf:7)", result.stderr)

    def test_its_vectors(self):
        def request(operation, protocol=0, family=0, port=0, flags=0, backlog=0, address="::",
                    scope=0):
            af = socket.AF_INET if "." in address else socket.AF_INET6
            return struct.pack("<HHBBHII16sI12x", 1, operation, protocol, family, port, flags,
                               backlog, socket.inet_pton(af, address), scope)

        def reply(operation, reason, error, flags=0, detail=0, line=0, path=b""):
            return struct.pack("<HHHHiIII232s", 1, operation, reason, flags, error, 1001, detail,
                               line, path)

        vectors = [bytes.fromhex(found.replace(" ", "")).ljust(48 if kind == "request" else 256,
                                                               b"\0")
                   for kind, found in re.findall(r"^\| (request|reply): .* \| `([0-9a-f ]+)` \|$",
                                                 self.text, re.M)]
        self.assertEqual(vectors, [
            request(1, 6, 6, 80),
            request(1, 6, 6, 443, 1, 128),
            request(1, 17, 4, 53, 0, 0, "127.0.0.1"),
            request(1, 6, 6, 80, 4, 0, "fe80::1", 2),
            request(3, 132, 4, 7, 2, 0, "192.0.2.1"),
            request(4),
            reply(1, 0, 0, 1, 0, 3, b"/p"),
            reply(1, 2, 13, 0, 4),
            reply(1, 3, 98),
            reply(1, 12, 93, 0, 0x10001),
            reply(0, 8, 11),
        ])


if __name__ == "__main__":
    if "LOWPORT_TEST_INSIDE" not in os.environ:
        os.environ["LOWPORT_TEST_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-Urn", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
                              sys.executable, *sys.argv])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
