# SPDX-License-Identifier: MIT
"""The wire protocol by struct, for well-formed and ill-formed requests alike."""

from __future__ import annotations

import array
import dataclasses
import errno
import ipaddress
import os
import socket
import struct
import time

VERSION = 1
OPEN, OWN, CHECK, STATUS = 1, 2, 3, 4
V6ONLY, NO_LISTEN, FREEBIND = 1, 2, 4
HAS_DESCRIPTOR = 1

(GRANTED, RULE_DENIES, NO_RULE, ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE, NOT_LOW_PORT, OTHER_NETNS,
 UNSUITABLE_SOCKET, OVER_LIMIT, TOO_SHORT, TOO_LONG, MALFORMED, UNSUPPORTED_VERSION,
 UNKNOWN_OPERATION, UNMAPPED_USER, EXHAUSTED, BIND_FAILED) = range(17)

# What is wrong with a socket: the detail of UNSUITABLE_SOCKET.
MISSING, MANY, OTHER, PROTOCOL, FAMILY, BOUND = range(1, 7)

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": 132}

REQUEST = struct.Struct("=HHBBHII16sI3I")
REPLY = struct.Struct("=HHHHiIII232s")
STATUS_BODY = struct.Struct("=9Q8I32s6I2Q")
STATUS_FIELDS = ("uptime granted denied failed over_limit malformed evicted abandoned records_lost "
                 "generation rules workers workers_idle workers_stuck workers_max "
                 "workers_per_user protections version own_workers own_workers_idle "
                 "own_workers_max own_per_user stuck_uid stuck_of_uid "
                 "timed_out turned_away").split()


def pack(operation, protocol="tcp", address="::", port=0, flags=0, backlog=0, version=VERSION):
    """The bytes of a request. STATUS takes no field but version and operation."""
    if operation == STATUS:
        return REQUEST.pack(version, operation, 0, 0, 0, 0, 0, bytes(16), 0, 0, 0, 0)
    ip = ipaddress.ip_address(address)
    return REQUEST.pack(version, operation, PROTOCOLS[protocol], ip.version, port, flags, backlog,
                        ip.packed.ljust(16, b"\0"), 0, 0, 0, 0)


@dataclasses.dataclass
class Reply:
    """One reply, and the socket that came with it (None if none did)."""
    version: int
    operation: int
    reason: int
    flags: int
    error: int
    uid: int
    detail: int
    line: int
    body: bytes
    socket: socket.socket | None = None

    @property
    def path(self):
        return self.body.split(b"\0")[0].decode()

    @property
    def status(self):
        values = dict(zip(STATUS_FIELDS, STATUS_BODY.unpack_from(self.body)))
        values["version"] = values["version"].split(b"\0")[0].decode()
        return values

    def granted(self):
        """The socket, or a failure that shows the whole reply."""
        assert (self.reason, self.error) == (GRANTED, 0), self
        assert self.flags & HAS_DESCRIPTOR and self.socket is not None, self
        return self.socket

    def refused(self, reason, error):
        """Checks that it was refused so, and that nothing came with it."""
        assert self.socket is None and not self.flags & HAS_DESCRIPTOR, self
        assert (self.reason, self.error) == (reason, error), \
            f"{self}\nexpected {reason} {errno.errorcode.get(error)}"
        return self

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Closed(Exception):
    """The daemon closed the connection without an answer."""


class Connection:
    """A connection to the daemon. Whose it is was settled when it was made."""

    def __init__(self, sock, deadline=20):
        self.sock = sock
        self.sock.settimeout(deadline)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.send(data)

    def receive(self):
        """One reply of exactly the right size, with at most one descriptor."""
        try:
            data, ancillary, flags, _ = self.sock.recvmsg(
                REPLY.size + 1, socket.CMSG_SPACE(16), socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError as error:
            raise Closed from error
        if not data:
            raise Closed
        fds = array.array("i")
        for level, kind, payload in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            fds.frombytes(payload)
        assert len(data) == REPLY.size and len(fds) <= 1, (len(data), fds)
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC), flags
        reply = Reply(*REPLY.unpack(data))
        if fds:
            reply.socket = socket.socket(fileno=fds[0])
        return reply

    def ask(self, data):
        try:
            self.send(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error
        return self.receive()

    def open(self, protocol, port, address="::", flags=0, backlog=0):
        return self.ask(pack(OPEN, protocol, address, port, flags, backlog))

    def check(self, protocol, port, address="::", flags=0):
        return self.ask(pack(CHECK, protocol, address, port, flags))

    def own(self, sock, protocol, port, address="::", flags=0):
        """Has a socket (or whatever it is) bound, as liblowport does: CHECK first, and then OWN."""
        reply = self.check(protocol, port, address, flags)
        if reply.reason != GRANTED:
            return reply
        return self.send_own([sock], protocol, port, address, flags)

    def send_own(self, files, protocol, port, address="::", flags=0):
        """The second half: OWN with these descriptors."""
        fds = [file if isinstance(file, int) else file.fileno() for file in files]
        data = pack(OWN, protocol, address, port, flags)
        try:
            socket.send_fds(self.sock, [data], fds)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error
        return self.receive()

    def status(self):
        return self.ask(pack(STATUS)).status


def patiently(connect, request, seconds=30):
    """What a well-behaved client does: it tries again while it is over a limit or cut off."""
    end = time.monotonic() + seconds
    while True:
        try:
            with connect() as connection:
                reply = connection.ask(request)
            if reply.reason != OVER_LIMIT:
                return reply
        except (Closed, ConnectionRefusedError, BlockingIOError):
            pass
        assert time.monotonic() < end, "still refused at the end"
        time.sleep(0.01)  # a client's pause, not a synchronisation


def serves(listener, address="127.0.0.1", port=None):
    """True when a client of `address` reaches whoever holds `listener`, and is answered."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    port = port or listener.getsockname()[1]
    listener.settimeout(10)
    if listener.type == socket.SOCK_DGRAM:
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(b"question", (address, port))
            question, who = listener.recvfrom(100)
            listener.sendto(b"answer to " + question, who)
            return client.recv(100) == b"answer to question"
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect((address, port))
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(10)
            peer.sendall(b"answer")
            answer = client.recv(100)
            # The client closes first: TIME_WAIT then is on its port, and no test meets it again.
            client.close()
            return answer == b"answer" and peer.recv(100) == b""


def descriptors(pid):
    """How many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))
