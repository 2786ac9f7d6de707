# SPDX-License-Identifier: MIT
"""Starts each server as an ordinary user through `lowport run`, asks it with its real client, and
prints a table. Runs in the throw-away root that tests/servers/run has made."""

import os
import re
import select
import signal
import socket
import subprocess
import shlex
import sys
import time

HERE = "/srv/lowport"
SITE = "/srv/site"
WWW, DAEMON = 1001, 990
DEADLINE = 30
ENVIRONMENT = {"PATH": f"{HERE}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/run/www",
               "LD_LIBRARY_PATH": f"{HERE}/lib", "LOWPORT_SOCKET": "/run/lowport/socket",
               "LANG": "C.UTF-8", "PYTHONPATH": SITE}
WEB = ["-l", "tcp:80"]
CURL = ["curl", "-sS", "--max-time", "10", "--insecure"]

# Name, how its version is asked, what is run, and what each client must answer.
SERVERS = [
    ("python3", ["python3", "--version"], [*WEB, "--", "python3", f"{SITE}/server.py"],
     [(["http://127.0.0.1/"], "hello from python3"), (["http://[::1]/"], "hello from python3")]),
    ("node", ["node", "--version"], [*WEB, "--", "node", f"{SITE}/server.js"],
     [(["http://127.0.0.1/"], "hello from node"), (["http://[::1]/"], "hello from node")]),
    ("go", ["go", "version"], [*WEB, "--", "/run/www/server"],
     [(["http://127.0.0.1/"], "hello from go"), (["http://[::1]/"], "hello from go")]),
    ("gunicorn", ["gunicorn", "--version"],
     [*WEB, "--", "gunicorn", "--workers", "2", "--worker-tmp-dir", "/run/www", "app:app"],
     [(["http://127.0.0.1/"], "hello from gunicorn"), (["http://[::1]/"], "hello from gunicorn")]),
    ("nginx", ["nginx", "-v"],
     ["-l", "tcp4:80", "-l", "tcp6:80", "-l", "tcp4:443", "--env", "NGINX={fd;}", "--", "nginx", "-g",
      "daemon off;", "-c", f"{SITE}/nginx.conf"],
     [(["http://127.0.0.1/"], "hello from nginx"), (["http://[::1]/"], "hello from nginx"),
      (["https://127.0.0.1/"], "hello from nginx")]),
    ("haproxy", ["haproxy", "-v"],
     ["-l", "http,name=web", "-l", "https,name=secure", "--env", "FD_WEB={fd:web}", "--env",
      "FD_SECURE={fd:secure}", "--", "haproxy", "-W", "-db", "-f", f"{SITE}/haproxy.cfg"],
     [(["http://127.0.0.1/"], "hello from haproxy"), (["https://[::1]/"], "hello from haproxy")]),
    ("unbound", ["unbound", "-V"],
     ["-l", "udp:127.0.0.1:53", "-l", "tcp:127.0.0.1:53", "--", "unbound", "-d", "-c",
      f"{SITE}/unbound.conf"],
     [(["dig", "+short", "+notcp", "@127.0.0.1", "www.example"], "192.0.2.7"),
      (["dig", "+short", "+tcp", "@127.0.0.1", "www.example"], "192.0.2.7")]),
]


def become(user):
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all",
            "--bounding-set=-all"]


def start_daemon():
    """lowportd under a uid of its own with one capability; returns when it says that it is ready."""
    with open("/run/policy.conf", "w", encoding="ascii") as file:
        file.write("allow user www tcp 80,443\nallow user www tcp,udp 127.0.0.1:53\n")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind("/run/notify")
    os.chmod("/run/notify", 0o666)
    one = "-all,+net_bind_service"
    log = open("/run/lowportd.log", "wb")
    daemon = subprocess.Popen(
        ["setpriv", f"--reuid={DAEMON}", f"--regid={DAEMON}", "--clear-groups", f"--inh-caps={one}",
         f"--ambient-caps={one}", f"--bounding-set={one}", f"{HERE}/lowportd",
         "--policy", "/run/policy.conf", "--binder", f"{HERE}/lowport-binder"],
        env=ENVIRONMENT | {"NOTIFY_SOCKET": "/run/notify"}, stderr=log)
    notify.settimeout(DEADLINE)
    while b"READY=1" not in notify.recv(4096):
        pass
    return daemon


def version(command):
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.]*", result.stdout + result.stderr)
    return found[0] if found else "?"


def ask(command, expected, server):
    """Asks until the server answers, or has ended; returns what is wrong, or None."""
    command = command if command[0] == "dig" else [*CURL, *command]
    end = time.monotonic() + DEADLINE
    while True:
        result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True,
                                check=False, timeout=DEADLINE)
        if result.stdout.strip() == expected:
            return None
        if server.poll() is not None:
            return f"it ended with status {server.returncode}"
        if time.monotonic() > end:
            return (result.stderr or result.stdout).strip().splitlines()[-1:] or "no answer"
        time.sleep(0.05)  # a client's pause between two tries


def processes_of(user):
    """The living processes of a uid."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                text = file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if re.search(rf"^Uid:\t{user}\t", text, re.M) and not re.search(r"^State:\tZ", text, re.M):
            found.append((int(pid), text))
    return found


def try_server(name, command, checks):
    """Returns what is wrong with one server, or None."""
    log = f"/run/www/{name}.log"
    with open(log, "wb") as file:
        server = subprocess.Popen([*become(WWW), "lowport", "run", "--no-direct", *command],
                                  env=ENVIRONMENT, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                                  cwd="/run/www", start_new_session=True)
    try:
        problem = None
        for what, expected in checks:
            problem = problem or ask(what, expected, server)
        for pid, text in processes_of(WWW):
            if not re.search(r"^CapPrm:\t0+$", text, re.M):
                problem = problem or f"process {pid} has a capability"
        return problem
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            pass
        for pid, _ in processes_of(WWW):
            fd = os.pidfd_open(pid)
            os.kill(pid, signal.SIGKILL)
            select.select([fd], [], [], DEADLINE)
            os.close(fd)


def prepare():
    for line, path in ((f"www:x:{WWW}:{WWW}:www:/run/www:/bin/sh", "/etc/passwd"),
                       (f"www:x:{WWW}:", "/etc/group"),
                       (f"lowport:x:{DAEMON}:{DAEMON}:lowport:/:/bin/false", "/etc/passwd"),
                       (f"lowport:x:{DAEMON}:", "/etc/group")):
        with open(path, "a", encoding="ascii") as file:
            file.write(line + "\n")
    for path, user in (("/run/www", WWW), ("/run/lowport", DAEMON)):
        os.mkdir(path, 0o755)
        os.chown(path, user, user)
    os.makedirs("/run/systemd/system")  # by which unbound tells that sockets may be passed
    as_www = {"env": ENVIRONMENT, "check": True, "stdout": subprocess.DEVNULL,
              "stderr": subprocess.DEVNULL}
    subprocess.run([*become(WWW), "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-keyout", "/run/www/key.pem",
                    "-out", "/run/www/cert.pem"], **as_www)
    with open("/run/www/both.pem", "w", encoding="ascii") as both:
        for part in ("cert", "key"):
            with open(f"/run/www/{part}.pem", encoding="ascii") as file:
                both.write(file.read())
    subprocess.run(["go", "build", "-o", "/run/www/server", f"{SITE}/server.go"], check=True,
                   env=ENVIRONMENT | {"GOCACHE": "/run/go-cache", "CGO_ENABLED": "0"})


def main():
    prepare()
    daemon = start_daemon()
    failed = 0
    print(f"{'server':10} {'version':12} {'how':58} result")
    for name, ask_version, command, checks in SERVERS:
        problem = try_server(name, command, checks)
        how = "lowport run " + shlex.join(command).replace(SITE + "/", "").replace("/run/www/", "./")
        print(f"{name:10} {version(ask_version):12} {how:58.58} "
              f"{f'FAILED: {problem}' if problem else f'{len(checks)} answers'}", flush=True)
        if problem:
            failed += 1
            for path in (f"/run/www/{name}.log", "/run/lowportd.log"):
                with open(path, encoding="utf-8", errors="replace") as file:
                    print(f"--- {path}\n" + "".join(file.readlines()[-20:]))
    daemon.terminate()
    if daemon.wait(DEADLINE) != 0:
        print(f"lowportd ended with status {daemon.returncode}")
        failed += 1
    # In the form that pytest closes with, for scripts/test to count.
    print(f"{len(SERVERS) - min(failed, len(SERVERS))} passed, {failed} failed in {time.process_time():.1f}s"
          if failed else f"{len(SERVERS)} passed in {time.process_time():.1f}s")
    return 1 if failed else 0


sys.exit(main())
