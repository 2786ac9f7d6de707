/* SPDX-License-Identifier: MIT */
#pragma once

/* A worker: accepts a connection, serves it in straight-line, blocking code, and then the next. */

#include <stdint.h>
#include <sys/types.h>

#include "binder/board.h"
#include "policy/ruleset.h"

struct worker {
        struct board *board;
        struct slot *slot;
        const struct ruleset *rules;
        uint32_t generation;
        uint64_t own_netns;
        pid_t parent;
        int listener;
        int listeners[MODES]; /* the parent's; -1: this mode is not served */
        int records;          /* writing end of the pipe, O_NONBLOCK */
        int registry;         /* where to ask for units */
        int nudge;            /* eventfd: wakes the parent */
        int landlock;         /* for confinement_enter_worker() */
        int reserve;          /* a descriptor to give up when there are none left */
        int not_yours[2];     /* descriptors of the parent, which the worker closes */
};

_Noreturn void worker_run(struct worker *worker);
