# SPDX-License-Identifier: MIT
"""A web server whose socket is its own, and bound by the daemon: own mode of the protocol.

    python3 own.py PORT
"""

import http.server
import os
import socket
import struct
import sys

PATH = os.environ.get("LOWPORT_OWN_SOCKET") or "/run/lowport/own.socket"


def bind(sock, host, port):
    """sock.bind((host, port)) for a TCP or UDP socket, without the privilege that a low port needs."""
    try:
        return sock.bind((host, port))
    except PermissionError:
        pass  # so the daemon is asked
    v6 = sock.family == socket.AF_INET6
    protocol = socket.IPPROTO_TCP if sock.type == socket.SOCK_STREAM else socket.IPPROTO_UDP
    v6only = sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) if v6 else 0
    address = socket.inet_pton(sock.family, host)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as daemon:
        daemon.settimeout(10)
        daemon.connect(PATH)
        # CHECK, and when that is granted OWN, with the socket.
        for operation, fds in ((3, []), (2, [sock.fileno()])):
            socket.send_fds(daemon, [struct.pack(
                "=HHBBHII16sI12x", 1, operation, protocol, 6 if v6 else 4, port, v6only, 0,
                address, 0)], fds)
            reply = daemon.recv(257)
            if not reply and sock.getsockname()[1] == port:
                return None  # the daemon has ended, but not before it had bound
            if len(reply) != 256 or struct.unpack_from("=H", reply) != (1,):
                raise ConnectionError("no answer in version 1 of the protocol")
            reason, _, error = struct.unpack_from("=4xHHi", reply)
            if error:
                raise OSError(error, f"{os.strerror(error)} (reason {reason})")
    return None


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bind(self.socket, *self.server_address[:2])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from python\n")


if __name__ == "__main__":
    Server(("::", int(sys.argv[1])), Handler).serve_forever()
