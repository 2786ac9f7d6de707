/* SPDX-License-Identifier: MIT */
#pragma once

/* The own mode: the daemon binds a socket of the caller's, in place. */

#include <sys/socket.h>

#include "client/handle.h"

/* True for an error of bind(2) that the daemon may be able to do something about: EACCES, for an
 * IP address with a port. */
bool own_may_help(int error, const struct sockaddr *address, socklen_t length);

/* True for an IP address, of which the port is told. */
bool own_port(const struct sockaddr *address, socklen_t length, uint16_t *ret_port);

/* The port that an IP socket is bound to; 0: none. */
uint16_t own_bound_port(int fd);

/* Asks the daemon to bind `fd`, and nobody else. `lp` is a handle for the own mode and tells, as
 * ever, how it ended. Returns 0, or -1 with errno: of the socket (ENOTSOCK, ...), of the daemon, or
 * of reaching it. */
int own_bind(struct lowport *lp, int fd, const struct sockaddr *address, socklen_t length);

/* The same after a bind(2) that has failed, and that own_may_help(): asks the daemon at `path`, as
 * handle_init_own() takes it, on a connection of its own. Returns 0, or the negative errno that
 * bind(2)'s caller is to see: the daemon's where it says why the socket is not bound, else -EACCES,
 * which stands. `lp` need not be initialised, holds nothing open afterwards, and tells how it
 * ended. */
int own_bind_or_keep(struct lowport *lp,
                     const char *path,
                     int fd,
                     const struct sockaddr *address,
                     socklen_t length);

/* Writes what is to be bound, as "tcp 0.0.0.0:80"; "?" where it is no IP socket or address.
 * ENDPOINT_TEXT_MAX is room for any. */
void own_describe(int fd, const struct sockaddr *address, socklen_t length, char *ret, size_t size);
