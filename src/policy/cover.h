/* SPDX-License-Identifier: MIT */
#pragma once

/* Rules that another rule makes useless. */

#include "policy/rule.h"

struct cover;

/* Returns 0 or a negative errno. */
int cover_new(const struct policy *policy, struct cover **ret);

/* The rule without which `rule` would have an effect: one of the same action that says all of it
 * and more (of two that say the same, the later is useless), or a denial of all that it allows.
 * NULL if there is none. */
const struct rule *cover_find(struct cover *cover, const struct rule *rule);

/* There were too many rules to compare. */
bool cover_gave_up(const struct cover *cover);

/* Frees, and returns NULL. NULL is allowed. */
struct cover *cover_free(struct cover *cover);
