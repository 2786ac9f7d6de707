# SPDX-License-Identifier: MIT
"""A small program that serves on the descriptors that it was given, as `lowport run` starts it.

    serve.py show             prints what it was given, as one line of JSON, and ends
    serve.py answer TEXT      answers each connection on descriptor 3 with TEXT, until it is killed
    serve.py answer-stdin TEXT   the same on descriptor 0
"""

import json
import os
import socket
import sys


def show():
    sockets = {}
    for entry in os.listdir("/proc/self/fd"):
        fd = int(entry)
        try:
            with socket.socket(fileno=os.dup(fd)) as s:
                sockets[fd] = [s.family.name, s.type.name, *s.getsockname()[:2],
                               s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]
        except OSError:
            pass
    names = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "SHOWN")
    print(json.dumps({"sockets": sockets, "pid": os.getpid(),
                      "environment": {n: os.environ[n] for n in names if n in os.environ}}))


def answer(fd, text):
    with socket.socket(fileno=fd) as listener:
        while True:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(text.encode())


if sys.argv[1] == "show":
    show()
else:
    answer(0 if sys.argv[1] == "answer-stdin" else 3, sys.argv[2])
