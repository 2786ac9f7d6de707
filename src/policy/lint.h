/* SPDX-License-Identifier: MIT */
#pragma once

/* What is allowed to write, but is likely not meant. */

#include "policy/facts.h"
#include "policy/notice.h"
#include "policy/rule.h"

enum lint_level {
        LINT_LOAD, /* what concerns every load: rules that do not mean what they say */
        LINT_ALL,  /* what `lowport check` tells besides */
};

/* Adds the warnings to `warnings`, in the order of the rules. Returns 0 or a negative errno. */
int lint_policy(const struct policy *policy,
                const struct compile_facts *facts,
                enum lint_level level,
                struct notices *warnings);
