# SPDX-License-Identifier: MIT
"""A daemon that speaks the protocol of docs/protocol.md, knows no policy, and binds with the
privilege that it has itself, in both modes. It answers port 81 with a denial and port 82 with "in use" for the
first two times."""

import array
import os
import socket
import struct
import threading
import time

REQUEST = struct.Struct("=HHBBHII16sI12x")
OPEN, OWN, CHECK, STATUS = 1, 2, 3, 4


def reply(operation, reason=0, error=0, detail=0, line=0, path=b"", flags=0):
    return struct.pack("=HHHHiIII232s", 1, operation, reason, flags, error, os.geteuid(), detail,
                       line, path)


def bind(protocol, family, port, flags, backlog, address):
    kind = socket.SOCK_DGRAM if protocol == socket.IPPROTO_UDP else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, kind, protocol)
    if family == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, flags & 1)
    text = socket.inet_ntop(sock.family, address[:16 if family == 6 else 4])
    sock.bind((text, port))
    if kind == socket.SOCK_STREAM and not flags & 2:
        sock.listen(backlog or 4096)
    return sock


class Daemon:
    def __init__(self, path):
        self.requests, self.busy = [], 2
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                while True:
                    data, fds, _, _ = socket.recv_fds(connection, 1024, 1)
                    if not data:
                        break
                    self.serve(connection, fds, *REQUEST.unpack(data))

    def serve(self, connection, passed, _, operation, protocol, family, port, flags, backlog, address, __):
        self.requests.append((operation, protocol, family, port, flags, backlog))
        if operation == STATUS:
            state = struct.pack("=9Q8I32s", 61, *range(1, 17), b"9.9")
            connection.send(reply(operation, path=state))
        elif port == 81:
            connection.send(reply(operation, 1, 13, line=7, path=b"/etc/lowport/policy.conf"))
        elif port == 82 and self.busy > 0:
            self.busy -= 1
            time.sleep(0.02)  # it is busy
            connection.send(reply(operation, 3, 98))
        elif operation == OPEN:
            with bind(protocol, family, port, flags, backlog, address) as sock:
                fds = array.array("i", [sock.fileno()])
                connection.sendmsg([reply(operation, flags=1)],
                                   [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        elif operation == OWN:
            with socket.socket(fileno=passed[0]) as sock:
                sock.bind((socket.inet_ntop(sock.family, address[:16 if family == 6 else 4]), port))
            connection.send(reply(operation))
        else:
            connection.send(reply(operation))
