/* SPDX-License-Identifier: MIT */
#pragma once

/* Text to rules. docs/policy.md is the language. */

#include "policy/names.h"
#include "policy/notice.h"
#include "policy/rule.h"

/* Parses the policy's file number `file` and appends its rules. Stops at the first thing that is
 * wrong, says so in `errors` and returns -EBADMSG; another negative errno is what the system said,
 * as when a name could not be looked up (-ENOMEM may come without a notice). */
int parse_file(struct policy *policy, uint32_t file, struct names *names, struct notices *errors);
