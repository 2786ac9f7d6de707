# SPDX-License-Identifier: MIT
"""Processes and sockets of the throw-away root: users, the daemon, what listens, what is left."""

import ipaddress
import os
import re
import select
import signal
import socket
import subprocess
import time

HERE = "/srv/lowport"
WWW, DAEMON = 1001, 990
DEADLINE = 30
ENVIRONMENT = {"PATH": f"{HERE}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/run/www",
               "LD_LIBRARY_PATH": f"{HERE}/lib", "LOWPORT_SOCKET": "/run/lowport/socket",
               "LOWPORT_OWN_SOCKET": "/run/lowport/own.socket", "LANG": "C.UTF-8",
               "PYTHONPATH": "/srv/site", "PYTHONDONTWRITEBYTECODE": "1"}
POLICY = """\
allow user www tcp 80,88,443 udp 443
allow user www tcp 22 127.0.0.1:143,127.0.0.1:883,127.0.0.1:999
allow user www tcp,udp 127.0.0.1:53
"""


def become_www():
    return ["setpriv", f"--reuid={WWW}", f"--regid={WWW}", f"--groups={DAEMON}",
            "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]


def start_daemon():
    """lowportd under a uid of its own, with one capability; returns when it is ready."""
    with open("/run/policy.conf", "w", encoding="ascii") as file:
        file.write(POLICY)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind("/run/notify")
    os.chmod("/run/notify", 0o666)
    one = "-all,+net_bind_service"
    with open("/run/lowportd.log", "wb") as log:
        daemon = subprocess.Popen(
            ["setpriv", f"--reuid={DAEMON}", f"--regid={DAEMON}", "--clear-groups",
             f"--inh-caps={one}", f"--ambient-caps={one}", f"--bounding-set={one}",
             f"{HERE}/lowportd", "--socket", "/run/lowport/socket", "--own-socket", ENVIRONMENT["LOWPORT_OWN_SOCKET"],
             "--policy", "/run/policy.conf", "--binder", f"{HERE}/lowport-binder"],
            env=ENVIRONMENT | {"NOTIFY_SOCKET": "/run/notify"}, stderr=log)
    notify.settimeout(DEADLINE)
    while b"READY=1" not in notify.recv(4096):
        pass
    return daemon


def processes():
    """The living processes of the user www: pids, with what /proc says of each."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                text = file.read()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ended = re.search(r"^State:\t[ZX]", text, re.M)
        if re.search(rf"^Uid:\t{WWW}\t", text, re.M) and not ended:
            found[int(pid)] = text
    return found


def name_of(text):
    return re.search(r"^Name:\t(.*)$", text, re.M)[1]


def privileged():
    """What is wrong with the privileges of the user's processes."""
    return [f"{name_of(text)} (pid {pid}) has {line}" for pid, text in processes().items()
            for line in re.findall(r"^Cap(?:Inh|Prm|Eff|Bnd|Amb):\t.*[^0\s].*$", text, re.M)]


def address_of(text, family):
    """An address of /proc/net: 32-bit words in the machine's order, and a port."""
    where, port = text.split(":")
    packed = b"".join(int(where[at:at + 8], 16).to_bytes(4, "little")
                      for at in range(0, len(where), 8))
    where = ipaddress.ip_address(packed)
    return f"[{where}]" if family == "6" else str(where), int(port, 16)


def listeners():
    """Who listens on which low port: {("tcp 0.0.0.0:80", uid)}."""
    found = set()
    for protocol, state in (("tcp", "0A"), ("udp", "07")):
        for family in ("", "6"):
            with open(f"/proc/net/{protocol}{family}", encoding="ascii") as file:
                lines = [line.split() for line in list(file)[1:]]
            for fields in lines:
                where, port = address_of(fields[1], family)
                if fields[3] == state and port < 1024:
                    found.add((f"{protocol} {where}:{port}", int(fields[7])))
    return found


def wait_for_end(pids):
    """Waits until the processes have ended, or the deadline has; returns those that have not."""
    left, end = [], time.monotonic() + DEADLINE
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if not select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
            left.append(pid)
        os.close(fd)
    return left


def stop(server):
    """Ends a server as a service manager does; returns what of it did not end by itself."""
    if server.poll() is None:
        server.terminate()
    wait_for_end([server.pid])
    wait_for_end(processes())
    server.poll()
    left = processes()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    wait_for_end(left)
    server.wait(DEADLINE)
    return [f"{name_of(text)} (pid {pid}) did not end" for pid, text in left.items()]
