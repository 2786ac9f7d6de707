/* SPDX-License-Identifier: MIT */
#pragma once

/* The manager's side of lowport-binder: starting it, telling it, hearing of it. */

#include <sys/types.h>

#include "lowportd/listener.h"
#include "lowportd/options.h"

struct binder {
        pid_t pid;
        int control;
};

/* Starts the binder on `listeners`, with `records` as the pipe for its records and
 * `registry` as the socket for its questions. Says what is wrong,
 * and returns a negative errno then. */
int binder_start(struct binder *binder,
                 const struct options *options,
                 const struct listeners *listeners,
                 int records,
                 int registry);

/* Puts a sealed rule set in force, as the given generation; the report tells when it is. */
int binder_order(const struct binder *binder,
                 const struct options *options,
                 uint32_t generation,
                 int rules);

/* Reads a report. Returns 1, 0 when the binder has closed its end, or a negative errno. */
int binder_hear(const struct binder *binder, struct report *ret);

/* Why the binder ended, in words, and what to do about it. */
void binder_explain(int wait_status, char *ret, size_t size);
