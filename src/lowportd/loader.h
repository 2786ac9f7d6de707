/* SPDX-License-Identifier: MIT */
#pragma once

/* The loader: a short-lived child that reads the policy and returns it compiled. What goes wrong in
 * it, crashes and endless name look-ups included, does not touch the manager. */

#include <stdint.h>
#include <sys/types.h>

#include "lowportd/options.h"

struct loader {
        pid_t pid;      /* 0: none runs */
        int socket;     /* where its answer comes */
        uint64_t until; /* monotonic milliseconds; it is killed then */
};

struct loader_answer {
        int32_t error; /* 0, or a positive errno; what is wrong has been logged */
        uint32_t files, rules, warnings;
        char text[400]; /* the error, NUL-terminated */
};

/* Starts one. Returns 0 or a negative errno. */
int loader_start(struct loader *loader, const struct options *options);

/* Reads the answer when the socket is readable, and reaps the child. `ret_rules` is the sealed rule
 * set, or -1. Returns 0; what went wrong is in the answer. */
void loader_finish(struct loader *loader, struct loader_answer *ret, int *ret_rules);

/* Kills one that has had its time, or is not wanted any more. */
void loader_stop(struct loader *loader);
