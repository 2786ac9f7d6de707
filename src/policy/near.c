/* SPDX-License-Identifier: MIT */
#include "policy/near.h"

#include <fnmatch.h>
#include <stdio.h>

#include "policy/protocols.h"

/* A rule with more than this against it is no near miss. */
enum { WEIGHT_MAX = 2 };

enum { WHAT = NEAR_PORT | NEAR_PROTOCOL | NEAR_ADDRESS | NEAR_ONLY_IPV6 | NEAR_ONLY_IPV4 };

static bool
in_groups(const struct policy *policy, const struct rule *rule, const struct subject *subject) {
        for (uint32_t i = 0; i < rule->n_groups; i++) {
                uint32_t gid = policy->groups[rule->first_group + i].gid;
                bool found = false;

                for (size_t j = 0; j < subject->n_gids && !found; j++)
                        found = subject->gids[j] == gid;
                if (!found)
                        return false;
        }
        return true;
}

static bool
is_about(const struct policy *policy, const struct rule *rule, const struct subject *subject) {
        if (!rule->allow || rule_matches_nobody(policy, rule))
                return false;
        if (rule->user.at != NULL && rule->uid != subject->uid)
                return false;
        return in_groups(policy, rule, subject);
}

static uint8_t bits_of(uint8_t protocol) {
        return protocol == IPPROTO_TCP   ? PROTOCOLS_TCP
               : protocol == IPPROTO_UDP ? PROTOCOLS_UDP
                                         : PROTOCOLS_SCTP;
}

/* What does not fit of an item, for one address of one family. */
static unsigned
compare(const struct item *item, const struct request *request, const struct address *address) {
        uint8_t family = address->family == ADDRESS_V4 ? PROTOCOLS_V4 : PROTOCOLS_V6;
        unsigned why = 0;

        if (request->port < item->low || request->port > item->high)
                why |= NEAR_PORT;
        if ((item->protocols & bits_of(request->protocol)) == 0)
                why |= NEAR_PROTOCOL;
        if ((item->protocols & family) == 0)
                return why | NEAR_ADDRESS;
        if (item->family != 0 && (item->family != address->family ||
                                  !address_in_prefix(address, item->address, item->prefix_length)))
                why |= NEAR_ADDRESS;
        return why;
}

static unsigned compare_item(const struct item *item, const struct request *request) {
        const struct address any4 = { .family = ADDRESS_V4 };
        unsigned why = compare(item, request, &request->address), why4;

        if (request->address.family != ADDRESS_V6 || !address_is_wildcard(&request->address) ||
            (request->flags & LOWPORT_V6ONLY) != 0)
                return why;
        why4 = compare(item, request, &any4); /* [::] takes 0.0.0.0 as well */
        if (why == 0 && why4 == NEAR_ADDRESS)
                return NEAR_ONLY_IPV6;
        if (why4 == 0 && why == NEAR_ADDRESS)
                return NEAR_ONLY_IPV4;
        return why | why4;
}

static int weight(unsigned why) {
        return __builtin_popcount(why);
}

static unsigned compare_rule(const struct policy *policy,
                             const struct rule *rule,
                             const struct subject *subject,
                             const struct request *request) {
        unsigned why = WHAT;
        char unit[256];

        for (uint32_t i = 0; i < rule->n_items; i++) {
                unsigned one = compare_item(&policy->items[rule->first_item + i], request);

                if (weight(one) < weight(why))
                        why = one;
        }
        if (rule->unit.at != NULL &&
            (subject->unit == NULL || !text_copy(rule->unit, unit, sizeof(unit)) ||
             fnmatch(unit, subject->unit, FNM_NOESCAPE) != 0))
                why |= NEAR_UNIT; /* '*' is all that fnmatch() finds special in a unit's glob */
        if (!subject->same_netns && !rule->netns_any)
                why |= NEAR_NETNS;
        return why;
}

size_t near_find(const struct policy *policy,
                 const struct subject *subject,
                 const struct request *request,
                 struct near *ret,
                 size_t max) {
        size_t count = 0;

        for (size_t i = 0; i < policy->n_rules; i++) {
                struct near near = { .rule = &policy->rules[i] };
                size_t at;

                if (!is_about(policy, near.rule, subject))
                        continue;
                near.why = compare_rule(policy, near.rule, subject, request);
                if (weight(near.why) > WEIGHT_MAX)
                        continue;
                for (at = count; at > 0 && weight(ret[at - 1].why) > weight(near.why); at--)
                        if (at < max)
                                ret[at] = ret[at - 1];
                if (at < max)
                        ret[at] = near;
                if (count < max)
                        count++;
        }
        return count;
}

void near_describe(const struct near *near, char *ret, size_t size) {
        static const struct {
                unsigned why;
                const char *text;
        } texts[] = {
                { NEAR_PROTOCOL, "another protocol" },
                { NEAR_PORT, "another port" },
                { NEAR_ADDRESS, "another address" },
                { NEAR_ONLY_IPV6, "only IPv6, but [::] takes IPv4 as well" },
                { NEAR_ONLY_IPV4, "only IPv4, but [::] takes IPv6 as well" },
                { NEAR_UNIT, "only in that unit" },
                { NEAR_NETNS, "only in the daemon's network namespace" },
        };
        size_t used = 0;

        ret[0] = '\0';
        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) && used < size; i++)
                if ((near->why & texts[i].why) != 0)
                        used += (size_t)snprintf(ret + used,
                                                 size - used,
                                                 "%s%s",
                                                 used > 0 ? ", " : "",
                                                 texts[i].text);
}
