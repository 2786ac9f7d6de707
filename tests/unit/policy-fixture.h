/* SPDX-License-Identifier: MIT */
#pragma once

/* What the tests of the policy share: names that do not depend on the machine, and a policy from
 * text in one call. Include it instead of cmocka.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/decide.h"
#include "policy/facts.h"
#include "policy/names.h"
#include "policy/notice.h"
#include "policy/rule.h"

/* Users: alice 1001, bob 1002, carol 1003; "broken" fails with EIO. Groups: www 2001, dns 2002,
 * ops 2003. Services: http (tcp 80), https (tcp and udp 443), domain (tcp and udp 53), split (tcp
 * 101, udp 102). */
extern const struct names_source fixture_names;

/* Every id is mapped, ports up to 1023, units can be established. */
extern const struct compile_facts fixture_facts;

/* Parses `text` as the file "test.conf". Returns what parse_file() returns. */
int fixture_parse(const char *text, struct policy **ret_policy, struct notices *errors);

/* The same for a text of `size` bytes, which may hold any. */
int fixture_parse_bytes(const char *text,
                        size_t size,
                        struct policy **ret_policy,
                        struct notices *errors);

/* A policy that must be right. */
struct policy *fixture_policy(const char *text);

/* A rule set from text that must be right. */
struct fixture_ruleset {
        struct policy *policy;
        void *memory;
        size_t size;
        struct ruleset rules;
};

struct fixture_ruleset fixture_ruleset(const char *text, const struct compile_facts *facts);
void fixture_ruleset_done(struct fixture_ruleset *fixture);
