/* SPDX-License-Identifier: MIT */
#pragma once

/* Rules by subject: the user, else the first group, else anyone. The table has the very form of
 * ruleset.h's slots; `first` and `count` are for whoever made it. */

#include "policy/rule.h"
#include "policy/ruleset.h"

struct subjects {
        struct ruleset_slot *slots;
        uint32_t n_slots; /* a power of two */
};

/* The subject under which a rule is found. */
void subject_of(const struct policy *policy,
                const struct rule *rule,
                uint32_t *ret_kind,
                uint32_t *ret_id);

/* Makes a table of the subjects of all rules that may match somebody, at most half full, with `first`
 * and `count` 0. Returns 0 or -ENOMEM. */
int subjects_new(const struct policy *policy, struct subjects *ret);

/* The slot of a subject; NULL if no rule has it. */
struct ruleset_slot *subjects_find(const struct subjects *subjects, uint32_t kind, uint32_t id);

void subjects_done(struct subjects *subjects);
