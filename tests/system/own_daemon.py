# SPDX-License-Identifier: MIT
"""A daemon of the own mode that answers when it is told to, or never: what a real one does only by
accident. It knows no policy, and binds with the privilege that it has itself."""

import os
import socket
import threading

import protocol as p
import world


class OwnDaemon:
    """With `pause` it waits, after the first request of a connection, for answer() or die()."""

    def __init__(self, pause=False):
        world.Daemon.count += 1
        self.path = world.HOME / f"own{world.Daemon.count}.socket"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.path.chmod(0o666)
        self.requests = []
        self._asked, self._go, self._dead = (threading.Event() for _ in range(3))
        if not pause:
            self._go.set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_until_asked(self):
        assert self._asked.wait(world.DEADLINE), "nobody asked"

    def answer(self):
        self._go.set()

    def die(self):
        """Lets go of everything without an answer, as a process that is killed."""
        self._dead.set()
        self.path.unlink()
        self.listener.shutdown(socket.SHUT_RDWR)
        self._go.set()
        self._thread.join(world.DEADLINE)
        assert not self._thread.is_alive()

    stop = die

    def _run(self):
        with self.listener:
            while not self._dead.is_set():
                try:
                    connection, _ = self.listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(world.DEADLINE)
                    self._serve(connection)

    def _serve(self, connection):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(connection, 4096, 1)
            except OSError:
                return
            if not data:
                return
            self._asked.set()
            self._go.wait(world.DEADLINE)
            if self._dead.is_set():
                return
            self._answer(connection, data, fds)

    def _answer(self, connection, data, fds):
        request = p.REQUEST.unpack(data)
        operation, family, port, address = request[1], request[3], request[4], request[7]
        error = 0
        self.requests.append(operation)
        if operation == p.OWN:
            try:
                with socket.socket(fileno=fds[0]) as sock:
                    sock.bind((socket.inet_ntop(sock.family, address[:16 if family == 6 else 4]),
                               port))
            except OSError as problem:
                error = problem.errno
        reason = p.BIND_FAILED if error else p.GRANTED
        connection.send(p.REPLY.pack(p.VERSION, operation, reason, 0, error, os.geteuid(), 0, 0,
                                     b""))
