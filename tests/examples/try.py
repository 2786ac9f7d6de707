# SPDX-License-Identifier: MIT
"""Runs the programs of docs/examples as an ordinary user against a daemon, and asks each as a client
does. Runs in the throw-away root that tests/examples/run has made."""

import contextlib
import errno
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE, WORK = "/srv/lowport", "/run/www"
WWW, DAEMON = 1001, 990
DEADLINE = 60
POLICY = "allow user 1001 tcp 80\n"
ENVIRONMENT = {"PATH": f"{HERE}:/usr/bin:/bin", "HOME": WORK, "LANG": "C.UTF-8",
               "LD_LIBRARY_PATH": f"{HERE}/lib", "LOWPORT_SOCKET": "/run/lowport/socket",
               "LOWPORT_OWN_SOCKET": "/run/lowport/own.socket"}
GO = [f"{WORK}/server"]
NODE = ["node", f"{HERE}/server.js"]
RUN = ["lowport", "run", "--no-direct"]

# What it is, the command for port 80, its answer, and whose the socket is.
SERVERS = [
    ("go, open mode", [*GO, "open", "80"], "hello from go", DAEMON),
    ("go, own mode", [*GO, "own", "80"], "hello from go", WWW),
    ("node, addon", [*NODE, "80"], "hello from node", DAEMON),
    ("node, lowport run", [*RUN, "-l", "tcp:80", "--", *NODE], "hello from node", DAEMON),
    ("node, run --own", [*RUN, "--own", "-l", "tcp:80", "--", *NODE], "hello from node", WWW),
]
# What is refused, and what is said then.
REFUSED = [
    ("go, denied", [*GO, "open", "81"], r"permission denied \(reason 2\)"),
    ("go, own, denied", [*GO, "own", "81"], r"permission denied \(reason 2\)"),
    ("node, denied", [*NODE, "81"], r"denied: no rule allows this to uid 1001[^']*code: 'EACCES'"),
    ("node, no port", [*NODE, "0"], r"expected a port from 1 to 65535"),
]
# While somebody else holds port 80.
IN_USE = [
    ("go, in use", [*GO, "open", "80"], r"address already in use \(reason 3\)"),
    ("go, own, in use", [*GO, "own", "80"], r"address already in use \(reason 3\)"),
    ("node, in use", [*NODE, "80"], r"code: 'EADDRINUSE'"),
]


def become(uid, capabilities="-all"):
    groups = ["--groups=990"] if uid == WWW else ["--clear-groups"]
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", *groups, f"--inh-caps={capabilities}",
            f"--ambient-caps={capabilities}", f"--bounding-set={capabilities}"]


@contextlib.contextmanager
def lowportd():
    os.makedirs("/run/lowport")
    os.chown("/run/lowport", DAEMON, DAEMON)
    with open("/run/policy.conf", "w", encoding="ascii") as file:
        file.write(POLICY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind("/run/notify")
        os.chmod("/run/notify", 0o666)
        notify.settimeout(DEADLINE)
        command = [*become(DAEMON, "-all,+net_bind_service"), f"{HERE}/lowportd", "--policy",
                   "/run/policy.conf", "--binder", f"{HERE}/lowport-binder", "--socket",
                   ENVIRONMENT["LOWPORT_SOCKET"], "--own-socket", ENVIRONMENT["LOWPORT_OWN_SOCKET"]]
        with subprocess.Popen(command, env=ENVIRONMENT | {"NOTIFY_SOCKET": "/run/notify"}) as daemon:
            while b"READY=1" not in notify.recv(4096):
                pass
            yield
            daemon.terminate()
            if daemon.wait(DEADLINE) != 0:
                raise RuntimeError(f"lowportd ended with status {daemon.returncode}")


def answer(address, server):
    """Asks until the server answers, or has ended."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=DEADLINE) as response:
                return response.read().decode().strip()
        except urllib.error.URLError as error:
            reason = getattr(error.reason, "errno", None)
            if reason != errno.ECONNREFUSED or server.poll() is not None or \
                    time.monotonic() > end:
                return f"no answer: {error}; status {server.poll()}"
        time.sleep(0.02)  # a client's pause between two tries


def owners():
    """The uids of who listens on port 80."""
    with open("/proc/net/tcp6", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return {int(row[7]) for row in rows if row[1].endswith(":0050") and row[3] == "0A"}


def try_server(command, expected, owner):
    with subprocess.Popen([*become(WWW), *command], env=ENVIRONMENT, cwd=WORK) as server:
        try:
            for address in ("127.0.0.1", "[::1]"):
                found = answer(address, server)
                if found != expected:
                    return found
            return None if owners() == {owner} else f"uids {owners()} listen"
        finally:
            server.kill()


def try_refused(command, pattern):
    result = subprocess.run([*become(WWW), *command], env=ENVIRONMENT, cwd=WORK, text=True,
                            capture_output=True, timeout=DEADLINE, check=False)
    if result.returncode == 0:
        return "it did not fail"
    return None if re.search(pattern, result.stderr, re.S) else result.stderr


def in_use(command, pattern):
    with socket.create_server(("127.0.0.1", 80)):
        return try_refused(command, pattern)


def main():
    begin, problems, count = time.monotonic(), 0, 0
    os.mkdir(WORK)
    subprocess.run(["go", "vet", f"{HERE}/server.go"], check=True, cwd=WORK,
                   env=ENVIRONMENT | {"GOCACHE": "/run/go", "CGO_ENABLED": "0"})
    subprocess.run(["go", "build", "-o", GO[0], f"{HERE}/server.go"], check=True, cwd=WORK,
                   env=ENVIRONMENT | {"GOCACHE": "/run/go", "CGO_ENABLED": "0"})
    with lowportd():
        tries = [(name, try_server, *rest) for name, *rest in SERVERS]
        tries += [(name, try_refused, *rest) for name, *rest in REFUSED]
        tries += [(name, in_use, *rest) for name, *rest in IN_USE]
        for name, function, *arguments in tries:
            problem = function(*arguments)
            count += 1
            problems += problem is not None
            print(f"{name:20} {problem or 'as it should be'}", flush=True)
    passed, seconds = count - problems, time.monotonic() - begin
    # In the form that pytest closes with, for scripts/test to count.
    print(f"{passed} passed, {problems} failed in {seconds:.1f}s" if problems else
          f"{passed} passed in {seconds:.1f}s")
    return 1 if problems else 0


sys.exit(main())
