#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Says hello over HTTP, on the socket that it is passed, or on a port that it binds through liblowport.

    hello.py          serves on descriptor 3, as `lowport run` and systemd's sockets pass it
    hello.py PORT     binds PORT with lowport_bind(), which has bind(2)'s shape
"""

import ctypes
import os
import signal
import socket
import socketserver
import sys
import threading


def passed():
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        sys.exit("hello.py: expected one socket; start me with `lowport run -l tcp:80 -- hello.py`")
    return socket.socket(fileno=3)


def bound(port):
    library = ctypes.CDLL("liblowport.so.0", use_errno=True)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # struct sockaddr_in: family, port, address 0.0.0.0, padding.
    address = socket.AF_INET.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big") + bytes(12)
    if library.lowport_bind(sock.fileno(), address, len(address)) < 0:
        sys.exit(f"hello.py: port {port}: {os.strerror(ctypes.get_errno())}")
    sock.listen()
    return sock


class Hello(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello, "
                         + self.client_address[0].removeprefix("::ffff:").encode() + b"\n")


server = socketserver.ThreadingTCPServer(("", 0), Hello, bind_and_activate=False)
server.socket.close()
server.socket = bound(int(sys.argv[1])) if len(sys.argv) > 1 else passed()
# What has come is answered; who waits meanwhile waits for the next start, if the socket is kept.
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.05)
server.server_close()
