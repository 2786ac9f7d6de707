/* SPDX-License-Identifier: MIT */
#pragma once

/* A subject in the words of a rule: "user deploy group www unit app.service netns other". */

#include "policy/account.h"
#include "policy/decide.h"

struct inquiry {
        struct account account; /* uid and name only if has_user */
        const char *unit;       /* borrowed; NULL: unknown */
        bool has_user, has_group, other_netns;
        char who[512]; /* as a rule has it, without netns */
};

/* Takes `n` words. A user has all groups of that user, unless groups are named. Returns 0, or
 * -EINVAL or what a look-up failed with; `error` then says what is wrong. */
int inquiry_parse(const char *const *words,
                  size_t n,
                  struct inquiry *ret,
                  char *error,
                  size_t error_size);

/* Makes it about this process. Returns 0 or a negative errno. */
int inquiry_of_caller(struct inquiry *ret);

/* The subject, which borrows from the inquiry. `spare_uid` stands for nobody in particular. */
struct subject inquiry_subject(const struct inquiry *inquiry, uint32_t spare_uid);

void inquiry_done(struct inquiry *inquiry);
