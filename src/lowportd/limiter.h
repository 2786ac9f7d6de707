/* SPDX-License-Identifier: MIT */
#pragma once

/* How many records of whom are written. Each user has an allowance that fills up again as time goes
 * by, and another, ten times as large, for grants; what is beyond it is counted, and the count is told.
 * A person can appear as 65,536 uids through a user namespace, so those from 65,536 on are held to an
 * allowance of their block of so many as well, ten times that of a user. The memory is bounded
 * whatever uids come: those for whom there is no room share one allowance. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lowportd/entry.h"

enum {
        LIMITER_SETS = 256, /* of allowances; a user's is in one that its uid says */
        LIMITER_WAYS = 8,
        LIMITER_INTERVAL = 5000000, /* microseconds until what was suppressed is told */
};

struct allowance {
        uint64_t key;        /* whose it is; 0: nobody's */
        uint64_t full_at[2]; /* when it is whole again: for all but grants, for grants */
        uint64_t due;        /* when to tell of these */
        uint32_t suppressed[VERDICTS];
};

struct limiter {
        uint64_t step;            /* microseconds that one record costs; 0: everything is written */
        uint64_t window;          /* what may be spent before */
        uint64_t seed;            /* nobody is to know whose allowances are in one set */
        uint64_t due;             /* the first of all; UINT64_MAX: nothing is to be told */
        struct allowance further; /* of whom there was no room for */
        struct allowance sets[LIMITER_SETS][LIMITER_WAYS];
};

/* `rate` records a second, after `burst` at once; with 0 there is no limit. `limiter` is all 0. */
void limiter_begin(struct limiter *limiter, uint32_t rate, uint32_t burst, uint64_t seed);

/* Whether a record is to be written; if not, it has been counted. Times are in microseconds. */
bool limiter_allow(struct limiter *limiter, uint64_t now, uint32_t uid, enum verdict verdict);

/* The next of whom there is something to tell by now, and what; or NULL. `*cursor` starts at 0. With
 * UINT64_MAX for `now` it is time for all. Once it is told, limiter_told() forgets it. */
struct allowance *
limiter_next(struct limiter *limiter, uint64_t now, size_t *cursor, struct suppression *ret);
void limiter_told(struct allowance *allowance);
