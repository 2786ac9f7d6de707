// SPDX-License-Identifier: MIT

// The server of server.js twice; the primary process has the socket, and each worker serves.
const cluster = require("cluster");

if (cluster.isPrimary) {
    cluster.fork();
    cluster.fork();
    process.once("SIGTERM", () => cluster.disconnect(() => process.exit()));
} else {
    require("./server.js");
}
