/* SPDX-License-Identifier: MIT */
#pragma once

/* What `lowport explain` was asked, and how it tells the answer. */

#include "cli/spec.h"
#include "policy/inquiry.h"
#include "policy/trial.h"

struct question {
        struct spec spec;
        struct inquiry inquiry;
        bool json;
        const char *socket;
        const char **paths;
        size_t n_paths;
};

/* What there is to say; pointers are borrowed, NULL where there is nothing. */
struct answer {
        enum lowport_reason reason;
        uint32_t uid;     /* RULESET_NONE: no user in particular */
        const char *path; /* of the rule that decided */
        unsigned line;
        const char *unit;          /* of the caller, where that is who was asked about */
        const struct trial *trial; /* on a policy; NULL: the daemon was asked */
        const struct policy *policy;
        char suggestion[640];
};

/* Prints the answer, and what rule would grant what was denied. Returns the exit status. */
int answer_give(const struct question *question, struct answer *answer);
