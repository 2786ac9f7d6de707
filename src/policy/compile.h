/* SPDX-License-Identifier: MIT */
#pragma once

/* Rules to a rule set: the flat block of ruleset.h, in memory that nobody can change any more. */

#include "policy/facts.h"
#include "policy/rule.h"

/* Writes a sealed memfd to `ret_fd`. Every rule keeps its place, also one that matches nobody.
 * Returns 0 or a negative errno (-E2BIG: more than 32 bits can count). */
int compile_policy(const struct policy *policy, const struct compile_facts *facts, int *ret_fd);
