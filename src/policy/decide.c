/* SPDX-License-Identifier: MIT */
#include "policy/decide.h"

#include <string.h>

/* One address of one family that the request would take. [::] without V6ONLY is two of these. */
struct taking {
        struct address address;
        uint8_t protocol; /* one bit of PROTOCOL_… */
        uint16_t port;
};

/* What the rules say of one taking. */
struct finding {
        uint32_t allow, deny; /* rules, or RULESET_NONE */
        bool other_netns;     /* an allow rule would match, were the peer in our namespace */
        bool wants_unit;
};

static uint8_t protocol_bit(uint8_t protocol, uint8_t family) {
        bool v6 = family == ADDRESS_V6;

        switch (protocol) {
        case IPPROTO_TCP:
                return v6 ? PROTOCOL_TCP6 : PROTOCOL_TCP4;
        case IPPROTO_UDP:
                return v6 ? PROTOCOL_UDP6 : PROTOCOL_UDP4;
        case IPPROTO_SCTP:
                return v6 ? PROTOCOL_SCTP6 : PROTOCOL_SCTP4;
        default:
                return 0;
        }
}

/* `*` stands for any number of any bytes; everything else for itself. */
static bool glob_matches(const char *glob, const char *name) {
        const char *star = NULL, *resume = NULL;

        while (*name != '\0') {
                if (*glob == '*') {
                        star = ++glob;
                        resume = name;
                } else if (*glob == *name) {
                        glob++;
                        name++;
                } else if (star != NULL) {
                        glob = star;
                        name = ++resume;
                } else {
                        return false;
                }
        }
        while (*glob == '*')
                glob++;
        return *glob == '\0';
}

static bool in_group(const struct subject *subject, uint32_t gid) {
        for (size_t i = 0; i < subject->n_gids; i++)
                if (subject->gids[i] == gid)
                        return true;
        return false;
}

/* An allow rule must cover what is taken. A deny rule forbids it when the two overlap: a wildcard
 * takes the denied address too. */
static bool span_matches(const struct ruleset_span *span, const struct taking *taking, bool allow) {
        if ((span->protocols & taking->protocol) == 0)
                return false;
        if (taking->port < span->port_low || taking->port > span->port_high)
                return false;
        if (span->family == 0)
                return true;
        if (span->family != taking->address.family)
                return false;
        if (!allow && address_is_wildcard(&taking->address))
                return true;
        return address_in_prefix(&taking->address, span->address, span->prefix_length);
}

/* The conditions beside the unit. */
static bool subject_matches(const struct ruleset *rules,
                            const struct ruleset_rule *rule,
                            const struct subject *subject) {
        if (rule->uid != RULESET_NONE && rule->uid != subject->uid)
                return false;
        for (uint32_t i = 0; i < rule->n_gids; i++) {
                uint32_t gid = rules->gids[rule->gids + i];

                /* Every group that is not mapped here shows as this one. */
                if (gid == rules->header->overflow_gid || !in_group(subject, gid))
                        return false;
        }
        return true;
}

/* Takes what one slot's spans say of `taking` into `finding`. */
static void look_up(const struct ruleset *rules,
                    const struct ruleset_slot *slot,
                    const struct subject *subject,
                    const struct taking *taking,
                    struct finding *finding) {
        for (uint32_t i = 0; slot != NULL && i < slot->count; i++) {
                const struct ruleset_span *span = &rules->spans[slot->first + i];
                const struct ruleset_rule *rule = &rules->rules[span->rule];
                bool allow = (rule->flags & RULE_ALLOW) != 0;

                if (!span_matches(span, taking, allow) || !subject_matches(rules, rule, subject))
                        continue;
                if (rule->unit != RULESET_NONE && subject->unit == NULL) {
                        finding->wants_unit = true;
                        continue;
                }
                if (rule->unit != RULESET_NONE &&
                    !glob_matches(rules->text + rule->unit, subject->unit))
                        continue;
                /* A denial holds in every namespace: it never grants too much. */
                if (!allow)
                        finding->deny = finding->deny < span->rule ? finding->deny : span->rule;
                else if (!subject->same_netns && (rule->flags & RULE_NETNS_ANY) == 0)
                        finding->other_netns = true;
                else
                        finding->allow = finding->allow < span->rule ? finding->allow : span->rule;
        }
}

static struct verdict
judge(const struct ruleset *rules, const struct subject *subject, const struct taking *taking) {
        struct finding f = { .allow = RULESET_NONE, .deny = RULESET_NONE };
        struct verdict verdict = { .reason = LOWPORT_NO_RULE, .rule = RULESET_NONE };

        look_up(rules, ruleset_find(rules, SUBJECT_USER, subject->uid), subject, taking, &f);
        for (size_t i = 0; i < subject->n_gids; i++)
                look_up(rules,
                        ruleset_find(rules, SUBJECT_GROUP, subject->gids[i]),
                        subject,
                        taking,
                        &f);
        look_up(rules, ruleset_find(rules, SUBJECT_ANYONE, 0), subject, taking, &f);

        verdict.wants_unit = f.wants_unit;
        if (f.deny != RULESET_NONE) {
                verdict.reason = LOWPORT_RULE_DENIES;
                verdict.rule = f.deny;
                return verdict;
        }
        if (f.allow != RULESET_NONE) {
                verdict.reason = LOWPORT_GRANTED;
                verdict.rule = f.allow;
                return verdict;
        }
        if (f.other_netns)
                verdict.reason = LOWPORT_OTHER_NETNS;
        verdict.family = taking->address.family;
        return verdict; /* what no rule allows is denied */
}

struct verdict
decide(const struct ruleset *rules, const struct subject *subject, const struct request *request) {
        struct verdict verdict = { .reason = LOWPORT_NO_RULE, .rule = RULESET_NONE };
        struct taking taking = {
                .address = request->address,
                .protocol = protocol_bit(request->protocol, request->address.family),
                .port = request->port,
        };

        if (subject->uid == rules->header->overflow_uid) {
                verdict.reason = LOWPORT_UNMAPPED_USER;
                return verdict;
        }
        if (request->port == 0 || request->port > rules->header->port_max) {
                verdict.reason = LOWPORT_NOT_LOW_PORT;
                return verdict;
        }

        verdict = judge(rules, subject, &taking);
        if (verdict.reason != LOWPORT_GRANTED || request->address.family != ADDRESS_V6 ||
            (request->flags & LOWPORT_V6ONLY) != 0 || !address_is_wildcard(&request->address))
                return verdict;

        /* [::] takes 0.0.0.0 as well. */
        bool wants_unit = verdict.wants_unit;

        taking.address = (struct address){ .family = ADDRESS_V4 };
        taking.protocol = protocol_bit(request->protocol, ADDRESS_V4);
        struct verdict v4 = judge(rules, subject, &taking);

        v4.wants_unit |= wants_unit;
        if (v4.reason == LOWPORT_GRANTED)
                v4.rule = verdict.rule;
        return v4;
}
