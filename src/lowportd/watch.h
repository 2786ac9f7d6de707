/* SPDX-License-Identifier: MIT */
#pragma once

/* The directories that a policy comes from: --watch has it loaded again when something changes
 * there, for where nobody can send SIGHUP. */

#include <stdint.h>

#include "lowportd/options.h"

struct watch {
        int fd;       /* -1: not wanted */
        uint64_t due; /* monotonic milliseconds: when to load; 0: nothing has changed */
};

/* Begins to watch, where the options want it. Returns 0 or a negative errno, which is logged. */
int watch_open(struct watch *watch, const struct options *options);

/* Looks for directories that are not watched yet: at each load, since they come and go. */
void watch_places(struct watch *watch, const struct options *options);

/* Takes what came on the descriptor. */
void watch_hear(struct watch *watch);

/* Whether it is time to load; that is said once. */
bool watch_is_due(struct watch *watch);
