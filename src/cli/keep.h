/* SPDX-License-Identifier: MIT */
#pragma once

/* `lowport run --keep`: sockets that the service manager holds while the program is started anew, in
 * the unit's own descriptor store (sd_notify(3), FDSTORE=1). */

#include "cli/environment.h"
#include "cli/spec.h"

/* Takes what was stored for these specs out of what this process was started with, into `fds`, which
 * is -1 for each spec before. What was stored for other specs is
 * dropped from the store. Returns 0 or a negative errno. */
int keep_take(const struct spec *specs, size_t n, struct inherited *inherited, int *fds);

/* Stores the sockets that `fresh` says were obtained just now. What goes wrong is told, and costs
 * nothing but that they are not kept. */
void keep_store(const struct spec *specs, size_t n, const int *fds, const bool *fresh);
