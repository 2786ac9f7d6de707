/* SPDX-License-Identifier: MIT */
#pragma once

/* The own mode: the daemon binds a socket of the caller's, in place. */

#include <sys/socket.h>

#include "client/handle.h"

/* True for an error of bind(2) that the daemon may be able to do something about: EACCES, for an
 * IP address with a port. */
bool own_may_help(int error, const struct sockaddr *address, socklen_t length);

/* Asks the daemon to bind `fd`, and nobody else. `lp` is a handle for the own mode and tells, as
 * ever, how it ended. Returns 0, or -1 with errno: of the socket (ENOTSOCK, ...), of the daemon, or
 * of reaching it. */
int own_bind(struct lowport *lp, int fd, const struct sockaddr *address, socklen_t length);
