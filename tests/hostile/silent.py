# SPDX-License-Identifier: MIT
"""Attacks on the own mode with a file system in user space that does not answer.

    silent.py OWN_SOCKET FUSE_DEVICE ATTACK PORT

It runs as an ordinary user and mounts in namespaces of its own. It says "exposed" when the daemon
lets descriptors come, attacks when it reads "g", says "sent", then the reason of each reply, and
"closed". At "e" the file system ends, and the attack with it; so does the end of this process.
"""

import ctypes
import mmap
import os
import select
import signal
import socket
import struct
import sys
import threading

import protocol as p

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, PR_SET_PDEATHSIG = 0x20000, 0x10000000, 1
IP_OPTIONS = 4
PAGE = mmap.PAGESIZE
MOUNTPOINT = os.environ["TMPDIR"]
NAME = f"{MOUNTPOINT}/file"

(LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, RELEASE, FLUSH, INIT, INTERRUPT,
 BATCH_FORGET) = (1, 2, 3, 4, 14, 15, 16, 18, 25, 26, 36, 42)
WRITEBACK_CACHE = 1 << 16
ENOSYS = 38


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def die_with_parent():
    checked(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


# The file system: one directory with one file of one page.


def mount(device):
    uid, gid = os.getuid(), os.getgid()
    checked(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"),
                       ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    fd = os.open(device, os.O_RDWR)
    data = f"fd={fd},rootmode=40000,user_id={uid},group_id={gid}".encode()
    checked(LIBC.mount(b"silent", MOUNTPOINT.encode(), b"fuse", 0, data))
    return fd


def attributes(node):
    mode = 0o40755 if node == 1 else 0o100644
    return struct.pack("=6Q10I", node, PAGE, 8, 0, 0, 0, 0, 0, 0, mode, 1, os.getuid(),
                       os.getgid(), 0, PAGE, 0)


def answer_to(opcode, node, flush):
    """The answer to a question of the kernel; None: silence."""
    if opcode == INIT:
        return struct.pack("=4I2H2I2H8I", 7, 31, 0, WRITEBACK_CACHE, 8, 8, PAGE, 1, 1, *[0] * 9)
    if opcode == LOOKUP:
        return struct.pack("=4Q2I", 2, 0, 60, 60, 0, 0) + attributes(2)
    if opcode in (GETATTR, SETATTR):
        return struct.pack("=Q2I", 60, 0, 0) + attributes(node)
    if opcode == OPEN:
        return struct.pack("=Q2I", 1, 0, 0)
    if opcode in (READ, WRITE, RELEASE) or (opcode == FLUSH and not flush):
        return None
    return ENOSYS  # of FLUSH it means that the kernel need not ask


def serve(device, flush, attacker):
    """Answers the kernel. The first byte from the test is for the attacker, and with the second the
    connection of the file system ends; the end of the input ends it all."""
    while True:
        readable, _, _ = select.select([device, 0] if device >= 0 else [0], [], [])
        if 0 in readable:
            word = os.read(0, 1)
            if word == b"e":
                os.close(device)
                device = -1
            elif word == b"g":
                os.write(attacker, word)
            else:
                return
        elif device in readable:
            reply(device, os.read(device, 1 << 17), flush, attacker)


def reply(device, request, flush, attacker):
    _, opcode, unique, node = struct.unpack_from("=2I2Q", request)
    if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
        return
    if opcode == READ:
        os.write(attacker, b"r")
    answer = answer_to(opcode, node, flush)
    if answer is None:
        return
    error, data = (-answer, b"") if isinstance(answer, int) else (0, answer)
    os.write(device, struct.pack("=IiQ", 16 + len(data), error, unique) + data)


# The attacks.

KEPT = []  # what the kernel is still busy with


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class DirtyFile:
    """A file whose last reference nobody can drop: a page has to be written first, and will not be.
    It is sent, let go while it is clean, and made dirty through another one."""

    def __init__(self):
        self.sent = os.open(NAME, os.O_RDWR)
        self.kept = os.open(NAME, os.O_RDWR)

    def fileno(self):
        return self.sent

    def spoil(self):
        os.close(self.sent)
        os.pwrite(self.kept, bytes(PAGE), 0)


def silent_page():
    """Memory that takes for ever to read, and its address."""
    fd = os.open(NAME, os.O_RDWR)
    page = mmap.mmap(fd, PAGE, access=mmap.ACCESS_COPY)
    first = ctypes.c_char.from_buffer(page)
    KEPT.append(first)
    return page, ctypes.addressof(first)


def hold_lock_by_sending(sock):
    page, _ = silent_page()
    thread = threading.Thread(target=sock.sendto, daemon=True,
                              args=(memoryview(page), socket.MSG_MORE, ("127.0.0.1", 9)))
    thread.start()
    wait_until_held()
    return thread


def hold_lock_by_option(sock):
    """Unlike sending, it leaves the socket unbound."""
    _, address = silent_page()
    KEPT.append(sock)
    thread = threading.Thread(target=LIBC.setsockopt, daemon=True, args=(
        sock.fileno(), socket.IPPROTO_IP, IP_OPTIONS, ctypes.c_void_p(address), 4))
    thread.start()
    wait_until_held()
    return thread


def wait_until_held():
    """The kernel has asked for the page, and so it has the lock."""
    assert os.read(0, 1) == b"r"


class Attack:
    """What one attacker does, on one connection to the daemon."""

    def __init__(self, path, port, name):
        self.name, self.port = name, port
        self.protocol = "udp" if name in ("sending", "late") else "tcp"
        self.address, self.flags = ("::", p.V6ONLY) if name == "guarded" else ("0.0.0.0", 0)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(path)
        self.connection = p.Connection(sock, None)

    def send(self, operation, *files):
        request = p.pack(operation, self.protocol, self.address, self.port, self.flags)
        fds = [file.fileno() for file in files]
        socket.send_fds(self.connection.sock, [request], fds)

    def flush(self):
        """A clean file that takes for ever to close, and that we keep."""
        self.send(p.OWN, DirtyFile())

    def dirty(self):
        file = DirtyFile()
        self.send(p.OWN, file)
        file.spoil()

    def discard(self):
        """Comes with a request that takes none."""
        file = DirtyFile()
        self.send(p.CHECK, file)
        file.spoil()

    def unread(self):
        """Is still queued when the worker closes the connection."""
        file = DirtyFile()
        self.send(p.OWN)
        self.send(p.OWN, file)
        file.spoil()

    def extra(self):
        """Is one more than can be taken."""
        file = DirtyFile()
        with socket.socket() as sock:
            self.send(p.OWN, sock, file)
        file.spoil()

    def nested(self):
        """Lies in the queue of a socket that is sent."""
        file = DirtyFile()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(ours, [b"x"], [file.fileno()])
            self.send(p.OWN, theirs)
        file.spoil()

    def sending(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        hold_lock_by_sending(sock)
        self.send(p.OWN, sock)

    def option(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        hold_lock_by_option(sock)
        self.send(p.OWN, sock)

    def guarded(self):
        """A grant for IPv6 only."""
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        hold_lock_by_option(sock)
        self.send(p.OWN, sock)

    def late(self):
        """The socket is let go, and so bound, when others hold the port."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thread = hold_lock_by_option(sock)
        self.send(p.OWN, sock)
        say("sent")
        thread.join()
        self.finish()  # the worker is gone, and so the bind is over
        say("bound", sock.getsockname()[1])

    def finish(self):
        """Tells what is answered, until the connection ends."""
        try:
            while True:
                say("reason", self.connection.receive().reason)
        except p.Closed:
            say("closed")

    def run(self):
        reply = self.connection.check(self.protocol, self.port, self.address, self.flags)
        if reply.reason != p.GRANTED:
            say("refused", reply.reason)
            return
        say("exposed")
        os.read(0, 1)
        getattr(self, self.name)()
        if self.name != "late":
            say("sent")
            self.finish()


def attack(path, name, port, orders):
    """The life of the attacker. It does not outlive the file system's process."""
    die_with_parent()
    os.dup2(orders, 0)
    os.close(orders)
    try:
        Attack(path, int(port), name).run()
        signal.pause()  # what was sent is not let go
    finally:
        os._exit(1)


def main():
    path, fuse, name, port = sys.argv[1:]
    die_with_parent()
    device = mount(fuse)
    orders, attacker = os.pipe()
    if os.fork() == 0:
        os.close(device)
        os.close(attacker)
        attack(path, name, port, orders)
    serve(device, name != "flush", attacker)


main()
