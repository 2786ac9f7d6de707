#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client by liblowport, run as a user of the world. It holds every answer against what was asked.

    client.py orders         asks what each line of standard input says, one answer a line
    client.py storm INDEX    asks all the time, until standard input ends; one line for each request

An order is MODE KIND PROTOCOL ADDRESS PORT, with MODE open or own, KIND fresh, kept or shared (own mode,
beside another socket of this user on the port), or "hang up". An answer is JSON.
"""

import ctypes
import errno
import json
import os
import select
import socket
import struct
import sys
import time

PROTOCOLS = {"tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
             "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP)}
LIBRARY = ctypes.CDLL("liblowport.so.0", use_errno=True)
LIBRARY.lowport_new.restype = ctypes.c_void_p
LIBRARY.lowport_open.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint16,
                                 ctypes.c_uint, ctypes.c_int]
LIBRARY.lowport_message.argtypes = [ctypes.c_void_p]
LIBRARY.lowport_message.restype = ctypes.c_char_p
LIBRARY.lowport_free.argtypes = [ctypes.c_void_p]


class Wrong(Exception):
    """The library said one thing, and the socket says another."""


def look(sock, protocol, address, port, listens):
    """Is this the socket that was asked for?"""
    if sock.getsockname() != (address, port):
        raise Wrong(f"bound to {sock.getsockname()}")
    if sock.type != PROTOCOLS[protocol][0] or sock.family != socket.AF_INET:
        raise Wrong(f"of type {sock.type}, family {sock.family}")
    if protocol == "tcp" and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) != listens:
        raise Wrong("listening" if not listens else "not listening")


def open_with(handle, protocol, address, port):
    fd = LIBRARY.lowport_open(handle, PROTOCOLS[protocol][1], address.encode(), port, 0, 0)
    if fd < 0:
        return ctypes.get_errno(), LIBRARY.lowport_message(handle).decode()
    with socket.socket(fileno=fd) as sock:
        look(sock, protocol, address, port, True)
    return 0, ""


def make(protocol, shared):
    sock = socket.socket(socket.AF_INET, PROTOCOLS[protocol][0])
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sock


def bind_own(protocol, address, port, shared=False):
    """bind(2)'s shape, with a socket of our own; `shared`: a second one on the port."""
    name = struct.pack("=H2s4s8x", socket.AF_INET, struct.pack("!H", port), socket.inet_aton(address))
    with make(protocol, shared) as first, make(protocol, shared) as second:
        sock = first
        if shared:
            if LIBRARY.lowport_bind(first.fileno(), name, len(name)) < 0:
                return ctypes.get_errno(), "the first socket was not bound"
            print(json.dumps({"held": True}), flush=True)
            sys.stdin.readline()
            sock = second
        if LIBRARY.lowport_bind(sock.fileno(), name, len(name)) < 0:
            error = ctypes.get_errno()
            if sock.getsockname()[1] not in (0, port):
                raise Wrong(f"bound to {sock.getsockname()} after {errno.errorcode[error]}")
            return error, os.strerror(error)
        look(sock, protocol, address, port, False)
        return 0, ""


class Client:
    """Keeps one connection, and makes others for one request."""

    def __init__(self):
        self.kept = LIBRARY.lowport_new(None)

    def hang_up(self):
        """Ends the connection that was kept."""
        LIBRARY.lowport_free(self.kept)
        self.kept = LIBRARY.lowport_new(None)

    def _ask(self, mode, kind, protocol, address, port):
        if mode == "own":
            return bind_own(protocol, address, port, kind == "shared")
        if kind == "kept":
            return open_with(self.kept, protocol, address, port)
        handle = LIBRARY.lowport_new(None)
        try:
            return open_with(handle, protocol, address, port)
        finally:
            LIBRARY.lowport_free(handle)

    def ask(self, mode, kind, protocol, address, port):
        """One request, as a dictionary of what came of it."""
        begin = time.monotonic()
        wrong = None
        try:
            error, message = self._ask(mode, kind, protocol, address, port)
        except Wrong as problem:
            error, message, wrong = 0, "", str(problem)
        return {"mode": mode, "kind": kind, "protocol": protocol, "address": address, "port": port,
                "error": errno.errorcode.get(error, error) if error else None, "message": message,
                "took": time.monotonic() - begin, "wrong": wrong, "pid": os.getpid()}


def take_orders(client):
    for line in iter(sys.stdin.readline, ""):
        if line == "hang up\n":
            client.hang_up()
            continue
        mode, kind, protocol, address, port = line.split()
        print(json.dumps(client.ask(mode, kind, protocol, address, int(port))), flush=True)


def storm(client, index):
    """Every request is for another address, by which its record is found. One in eight is for a port
    that nobody is granted."""
    n = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        address = f"127.{index}.{n // 250 % 250 + 1}.{n % 250 + 1}"
        port = 600 + n // 62500
        mode, kind = (("open", "fresh"), ("open", "kept"), ("own", "fresh"))[n % 3]
        granted = n % 8 != 7
        answer = client.ask(mode, kind, ("tcp", "udp")[n // 3 % 2], address, port if granted else 700)
        answer["granted"] = granted
        print(json.dumps(answer), flush=True)
        n += 1


if __name__ == "__main__":
    if sys.argv[1] == "orders":
        take_orders(Client())
    else:
        storm(Client(), int(sys.argv[2]))
