/* SPDX-License-Identifier: MIT */
#pragma once

/* Binding without the daemon: what needs no privilege, or where this process has it. */

#include "cli/spec.h"

/* True if the kernel lets everybody bind this port, in the network namespace of this process. */
bool direct_is_free(uint16_t port);

/* Opens, binds and listens as the daemon does. Returns 0 and the descriptor, which is
 * close-on-exec, or a negative errno. */
int direct_open(const struct spec *spec, int *ret_fd);
