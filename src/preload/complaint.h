/* SPDX-License-Identifier: MIT */
#pragma once

/* The line on standard error for a program that cannot say itself why it did not get its port. */

#include "client/handle.h"

/* Writes it, unless $LOWPORT_WRAP_QUIET is 1 or the errno alone tells the program's user as much.
 * Never blocks, never raises SIGPIPE, and leaves a descriptor 2 alone that is not standard error
 * any more. Makes `lp`'s message printable. */
void complaint_write(struct lowport *lp, int fd, const struct sockaddr *address, socklen_t length);
