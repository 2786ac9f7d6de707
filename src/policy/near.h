/* SPDX-License-Identifier: MIT */
#pragma once

/* Rules that almost grant a request: for people who wonder why theirs does not. */

#include "policy/decide.h"
#include "policy/rule.h"

/* What about a rule does not fit. */
enum {
        NEAR_PORT = 1 << 0,
        NEAR_PROTOCOL = 1 << 1,
        NEAR_ADDRESS = 1 << 2,
        NEAR_ONLY_IPV6 = 1 << 3, /* fits, but the wildcard takes IPv4 as well */
        NEAR_ONLY_IPV4 = 1 << 4, /* the other way round */
        NEAR_UNIT = 1 << 5,
        NEAR_NETNS = 1 << 6,
};

struct near {
        const struct rule *rule;
        unsigned why; /* 0: it fits (and a denial stands in the way) */
};

/* Finds up to `max` allow rules whose user and groups the subject has, and of which no more than two
 * things do not fit; those first that fit best.
 * Returns how many there are in `ret`. */
size_t near_find(const struct policy *policy,
                 const struct subject *subject,
                 const struct request *request,
                 struct near *ret,
                 size_t max);

/* The same as words: "another port, only in the daemon's network namespace". */
void near_describe(const struct near *near, char *ret, size_t size);
