// SPDX-License-Identifier: MIT

// A web server that listens on a descriptor: the one that `lowport run` has started it with, or one
// that it asks the daemon for itself, through the addon lowport.c.
//
//     lowport run -l tcp:80 -- node server.js
//     node server.js 80

const http = require('http');

const passed = process.env.LISTEN_FDS === '1' && process.env.LISTEN_PID === String(process.pid);
const fd = passed ? 3 : require('./lowport.node').open(Number(process.argv[2]));

http.createServer((request, response) => response.end('hello from node\n')).listen({ fd });
