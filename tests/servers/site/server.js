// SPDX-License-Identifier: MIT

// An HTTP server on the socket that `lowport run` passes as descriptor 3.
const http = require("http");

http.createServer((request, response) => response.end("hello from node\n")).listen({ fd: 3 });
