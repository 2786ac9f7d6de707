# SPDX-License-Identifier: MIT
"""Starts each server as an ordinary user by `lowport wrap` and by `lowport run`, asks it with its
real client, and writes the table of docs/servers.md. Runs in the throw-away root that
tests/servers/run has made; a word on the command line is the one server to try."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time

from host import (DAEMON, DEADLINE, ENVIRONMENT, HERE, WWW, become_www, listeners,
                  privileged, processes, start_daemon, stop)
from rows import ROWS, SITE

HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
# Servers that were tried

Written by `tests/servers/run --update`; do not edit. `scripts/test servers` tries all of them again
and fails when a row has changed, but for the version.

Each server ran as an ordinary user, without a capability and with an empty bounding set, in a
network namespace of its own, and a real client asked it. With `wrap` the sockets on low ports
belong to the user, with `run` to the daemon; what listened was looked up in /proc/net. After SIGTERM
nothing of it was left. [wrap-servers.md](wrap-servers.md) and [run.md](run.md) say how to set each
of them up; what has no row with `run` takes no open socket. Paths are shortened.

| server | version | how | result |
|---|---|---|---|
"""


LOG = "/run/server.log"
WRAPPERS = {"wrap": ["lowport", "wrap", "-v"], "run": ["lowport", "run", "--no-direct", "-v"]}


def version(command):
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.]*", result.stdout + result.stderr)
    return found[0] if found else "?"


def ask(client, server):
    """Asks until the server answers, or has ended; returns what is wrong, or None."""
    end = time.monotonic() + DEADLINE
    while True:
        result = subprocess.run([*become_www(), *client.command], capture_output=True, text=True,
                                env=ENVIRONMENT | {"SERVER": str(server.pid)}, check=False,
                                timeout=DEADLINE)
        if result.returncode == 0 and result.stdout.strip() == client.expected:
            return None
        if server.poll() is not None:
            return f"the server ended with status {server.returncode}"
        if time.monotonic() > end:
            said = (result.stderr or result.stdout).strip().splitlines() or ["no answer"]
            return f"{client.what}: {said[-1]}"
        time.sleep(0.05)  # a client's pause between two tries


def start(row):
    """Starts a server in an empty folder; what it says goes to a file beside."""
    shutil.rmtree("/run/www", ignore_errors=True)
    os.mkdir("/run/www", 0o755)
    os.chown("/run/www", WWW, WWW)
    with open(LOG, "wb") as log:
        return subprocess.Popen([*become_www(), *WRAPPERS[row.via], *row.options, "--", *row.command], env=ENVIRONMENT,
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/run/www",
                                start_new_session=True)


def look(row):
    """What is wrong with the sockets, and with the processes, of a server that answers."""
    owner = WWW if row.via == "wrap" else DAEMON
    expected = {(where, owner) for where in row.listens}
    found = listeners()
    problems = [f"{where} is not listened on by uid {uid}" for where, uid in expected - found]
    problems += [f"{where} is listened on by uid {uid}" for where, uid in found - expected]
    if not processes():
        problems.append("no process of the user")
    return problems + privileged()


def serve(row, server):
    for client in row.asks:
        problem = ask(client, server)
        if problem:
            return [problem]
    return look(row)


def try_row(row):
    """Returns what is wrong with one server."""
    server = start(row)
    try:
        problems = serve(row, server)
    finally:
        left = stop(server)
    return problems + left + [f"{where} is still listened on" for where, _ in listeners()]


def result_of(row, problems):
    """The last column of a row, and whether it is a failure."""
    if not problems:
        return "works: " + ", ".join(client.what for client in row.asks), False
    if row.cannot and len(problems) == 1:
        with open(LOG, encoding="utf-8", errors="replace") as file:
            if row.cannot[0] in file.read():
                return f"cannot: {row.cannot[1]}", False
    return "FAILED: " + "; ".join(problems), True


def how(row):
    text = shlex.join(["lowport", row.via, *row.options, "--", *row.command])
    for path in (f"{SITE}/", "/run/keys/", "/run/www/"):
        text = text.replace(path, "")
    return text


def show(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        print(f"--- {path}\n" + "".join(file.readlines()[-20:]))


def make_files():
    """Keys and certificates, a page, and the servers that are built here; all belongs to www."""
    for path, user in (("/run/keys", WWW), ("/run/files", WWW), ("/run/lowport", DAEMON)):
        os.mkdir(path, 0o755)
        os.chown(path, user, user)
    with open("/run/files/index.html", "w", encoding="ascii") as file:
        file.write("hello from a file\n")
    as_www = {"env": ENVIRONMENT, "check": True, "stdout": subprocess.DEVNULL,
              "stderr": subprocess.DEVNULL, "cwd": "/run/keys"}
    subprocess.run([*become_www(), "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout", "key.pem",
                    "-out", "cert.pem"], **as_www)
    subprocess.run([*become_www(), "sh", "-c", "cat cert.pem key.pem >both.pem"], **as_www)
    for name in ("host", "client"):
        subprocess.run([*become_www(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name],
                       **as_www)
    for kind, cgo in (("static", "0"), ("cgo", "1")):
        subprocess.run(["go", "build", "-o", f"/run/keys/server-{kind}", f"{SITE}/server.go"],
                       check=True, env=ENVIRONMENT | {"GOCACHE": "/run/go", "CGO_ENABLED": cgo})


def prepare():
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        if file.read().strip() != "1024":
            sys.exit("a port below 1024 needs no privilege here: nothing can be shown")
    for text, path in ((f"www:x:{WWW}:{WWW}:www:/run/www:/bin/sh", "/etc/passwd"),
                       (f"www:x:{WWW}:", "/etc/group"),
                       (f"lowport:x:{DAEMON}:{DAEMON}:lowport:/:/bin/false", "/etc/passwd"),
                       (f"lowport:x:{DAEMON}:www", "/etc/group")):
        with open(path, "a", encoding="ascii") as file:
            file.write(text + "\n")
    os.makedirs("/run/systemd/system")  # by which unbound tells that sockets may be passed
    make_files()


def main(names):
    begin = time.monotonic()
    prepare()
    daemon = start_daemon()
    rows = [row for row in ROWS if not names or row.server in names]
    failed = 0
    table = []
    for row in rows:
        result, wrong = result_of(row, try_row(row))
        table.append(f"| {row.server} | {version(row.version)} | `{how(row)}` | {result} |")
        print(table[-1], flush=True)
        if wrong:
            failed += 1
            show(LOG)
            show("/run/lowportd.log")
    with open(f"{HERE}/servers.md", "w", encoding="utf-8") as file:
        file.write(HEAD + "\n".join(table) + "\n")
    daemon.terminate()
    if daemon.wait(DEADLINE) != 0:
        print(f"lowportd ended with status {daemon.returncode}")
        failed += 1
    # In the form that pytest closes with, for scripts/test to count.
    seconds = f"in {time.monotonic() - begin:.1f}s"
    print(f"{len(rows) - min(failed, len(rows))} passed, {failed} failed {seconds}" if failed
          else f"{len(rows)} passed {seconds}")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
