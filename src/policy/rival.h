/* SPDX-License-Identifier: MIT */
#pragma once

/* Users who may take the same UDP port. There a second socket can take over what the first one
 * would get, so one port has one user as a rule. */

#include "policy/rule.h"

struct rival;

/* Returns 0 or a negative errno. */
int rival_new(const struct policy *policy, struct rival **ret);

/* An earlier rule that allows another user a UDP port that `rule` allows; NULL if there is none.
 * `ret_item` is the item of `rule` that has it. */
const struct rule *
rival_find(struct rival *rival, const struct rule *rule, const struct item **ret_item);

/* There were too many rules to compare. */
bool rival_gave_up(const struct rival *rival);

/* Frees, and returns NULL. NULL is allowed. */
struct rival *rival_free(struct rival *rival);
