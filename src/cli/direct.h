/* SPDX-License-Identifier: MIT */
#pragma once

/* Sockets that this process makes itself: bound without the daemon, where that needs no privilege or
 * this process has it, or by the daemon in own mode. */

#include "cli/spec.h"

/* True if the kernel lets everybody bind this port, in the network namespace of this process. */
bool direct_is_free(uint16_t port);

/* Opens, binds and listens as the daemon does in open mode. With a handle for the own mode the daemon
 * binds. Returns 0 and the descriptor, which is close-on-exec, or a negative errno. */
int direct_open(const struct spec *spec, struct lowport *lp, int *ret_fd);
