/* SPDX-License-Identifier: MIT */
#pragma once

/* A connection to the daemon: datagrams with deadlines. No call blocks longer than its deadline,
 * and signals do not extend it. */

#include <stddef.h>
#include <sys/types.h>

#include "client/deadline.h"

struct connection {
        int fd;    /* -1: none */
        pid_t pid; /* who connected; a child of fork(2) must not use it */
};

#define CONNECTION_NONE ((struct connection){ .fd = -1 })

/* Connects to the Unix socket `path`, which must fit into sun_path. Returns 0 or a negative errno:
 * -ETIMEDOUT, nobody accepted in time; -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, nothing left here; any
 * other, nobody listens there. */
int connection_open(struct connection *connection,
                    const char *path,
                    const struct deadline *deadline);

/* Also forgets one that was made before fork(2): the parent's copy stays open. */
void connection_close(struct connection *connection);

/* True for a connection of this very process. */
bool connection_usable(const struct connection *connection);

/* Sends one datagram, with the descriptor `passed` unless it is -1, and receives the answer. Returns
 * the answer's size, which may be larger than `reply_size`, or a negative errno: -ECONNRESET, the
 * daemon closed the connection without one; -ETIMEDOUT; -EBADMSG, more than one descriptor came
 * with it; -EMFILE, one came and there was no room. With the size, `ret_fd` gets the descriptor or
 * -1. */
ssize_t connection_ask(const struct connection *connection,
                       const void *request,
                       size_t request_size,
                       int passed,
                       void *reply,
                       size_t reply_size,
                       const struct deadline *deadline,
                       int *ret_fd);
