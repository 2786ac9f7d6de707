/* SPDX-License-Identifier: MIT */
#pragma once

/* The decision: a pure function of the rule set, the peer and the request. */

#include "common/wire.h"
#include "policy/ruleset.h"

struct subject {
        uint32_t uid;
        const uint32_t *gids; /* all of the peer's groups, the effective one among them */
        size_t n_gids;
        const char *unit; /* the peer's system unit; NULL: unknown, no rule with a unit matches */
        bool same_netns;  /* the peer is in the daemon's network namespace */
};

struct verdict {
        enum lowport_reason reason;
        uint32_t rule;   /* the rule that decided, RULESET_NONE: none */
        uint8_t family;  /* of what no rule grants: [::] needs IPv4 and IPv6; else 0 */
        bool wants_unit; /* the peer's unit is unknown, and a rule hangs on it */
};

struct verdict
decide(const struct ruleset *rules, const struct subject *subject, const struct request *request);
