// SPDX-License-Identifier: MIT

// An HTTP server on the socket that `lowport run` passes as descriptor 3, or on a port of its own.
const http = require("http");
const where = process.env.LISTEN_FDS ? { fd: 3 } : 80;

http.createServer((request, response) => response.end("hello from node\n")).listen(where);
