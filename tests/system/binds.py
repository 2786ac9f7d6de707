# SPDX-License-Identifier: MIT
"""Calls lowport_bind() of liblowport.so, and prints a line for each result: "ok" or the errno's name.

    binds.py CASE…
"""

import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import threading

LIB = ctypes.CDLL("liblowport.so.0", use_errno=True)
INET, INET6 = socket.AF_INET, socket.AF_INET6
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores


def v4(port, address="127.0.0.1", family=INET):
    return struct.pack("=H", family) + struct.pack(">H", port) + socket.inet_aton(address) + bytes(8)


def v6(port, address="::1"):
    return (struct.pack("=H", INET6) + struct.pack(">HI", port, 0) +
            socket.inet_pton(INET6, address) + bytes(4))


def bind(fd, name, length=None):
    ctypes.set_errno(99999)
    r = LIB.lowport_bind(fd, name, len(name) if length is None else length)
    if r == 0:
        assert ctypes.get_errno() == 99999, "errno was touched"
    return "ok" if r == 0 else errno.errorcode[ctypes.get_errno()]


def result(family, kind, name, length=None):
    with socket.socket(family, kind) as s:
        return bind(s.fileno(), name, length)


def forked(port):
    """In the child, on a socket of the parent's, and then in the parent."""
    with socket.socket(INET) as s:
        pid = os.fork()
        if pid == 0:
            os._exit(0 if bind(s.fileno(), v4(port)) == "ok" else 1)
        _, status = os.waitpid(pid, 0)
        own = result(INET, socket.SOCK_STREAM, v4(port, "127.0.0.2"))
        return f"{status} {s.getsockname()[1]} {own}"


def threads(first):
    results = [None] * 8

    def one(i):
        results[i] = result(INET, socket.SOCK_STREAM, v4(first + i))
    all_of_them = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join()
    return " ".join(results)


def twice(port):
    with socket.socket(INET) as s:
        return bind(s.fileno(), v4(port)) + " " + bind(s.fileno(), v4(port))


STREAM, DGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
CASES = {
    "granted": lambda: result(INET, STREAM, v4(690)),
    "granted-udp": lambda: result(INET, DGRAM, v4(690)),
    "granted-any-udp": lambda: result(INET, DGRAM, v4(690, "0.0.0.0")),
    "granted-v6": lambda: result(INET6, STREAM, v6(690)),
    "mapped": lambda: result(INET6, STREAM, v6(690, "::ffff:127.0.0.1")),
    "storage": lambda: result(INET, STREAM, v4(690).ljust(128, b"\0")),
    "storage-v6": lambda: result(INET6, STREAM, v6(690).ljust(128, b"\0")),
    "rfc2133": lambda: result(INET6, STREAM, v6(690), 24),
    "unspec": lambda: result(INET, STREAM, v4(690, "0.0.0.0", 0)),
    "denied": lambda: result(INET, STREAM, v4(800)),
    "not-available": lambda: result(INET, STREAM, v4(690, "192.0.2.1")),
    "in-use": lambda: result(INET, STREAM, v4(691)),
    "twice": lambda: twice(690),
    "high": lambda: result(INET, STREAM, v4(20690)),
    "short": lambda: result(INET, STREAM, v4(690), 15),
    "family": lambda: result(INET, STREAM, struct.pack("=H", 77) + v4(690)[2:]),
    "unspec-other": lambda: result(INET, STREAM, v4(690, "127.0.0.1", 0)),
    "bad-fd": lambda: bind(1000, v4(690)),
    "no-socket": lambda: bind(2, v4(690)),
    "fault": lambda: result(INET, STREAM, ctypes.c_void_p(8), 16),
    "unix": lambda: result(socket.AF_UNIX, STREAM, struct.pack("=H", 1) + b"/nonexistent/x\0"),
    "forked": lambda: forked(690),
    "threads": lambda: threads(692),
}

before = len(os.listdir("/proc/self/fd"))
for case in sys.argv[1:]:
    print(case, CASES[case](), flush=True)
assert len(os.listdir("/proc/self/fd")) == before, "a descriptor is left"
