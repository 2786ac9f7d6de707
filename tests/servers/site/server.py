# SPDX-License-Identifier: MIT
"""An HTTP server on the socket that `lowport run` passes as descriptor 3."""

import http.server
import socket


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from python3\n")


server = http.server.ThreadingHTTPServer(("", 0), Hello, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
server.serve_forever()
