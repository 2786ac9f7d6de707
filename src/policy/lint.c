/* SPDX-License-Identifier: MIT */
#include "policy/lint.h"

#include "policy/cover.h"
#include "policy/rival.h"
#include "policy/ruleset.h"

struct lint {
        const struct policy *policy;
        const struct compile_facts *facts;
        struct notices *warnings;
        struct cover *cover;
        struct rival *rival;
};

#define WARN(lint, rule, column, ...)                  \
        notices_add((lint)->warnings,                  \
                    rule_path((lint)->policy, (rule)), \
                    (rule)->line,                      \
                    (column),                          \
                    __VA_ARGS__)

/* The rule grants nothing to anybody; a deny rule would have been an error. */
static void lint_names(struct lint *lint, const struct rule *rule) {
        if (rule->user.at != NULL && !rule->user_known)
                WARN(lint,
                     rule,
                     rule->user_column,
                     "unknown user '%.*s', so the rule matches nobody; expected a name that getent "
                     "passwd knows, or a uid",
                     TEXT(rule->user));
        for (uint32_t i = 0; i < rule->n_groups; i++) {
                const struct rule_group *group = &lint->policy->groups[rule->first_group + i];

                if (!group->known)
                        WARN(lint,
                             rule,
                             group->column,
                             "unknown group '%.*s', so the rule matches nobody; expected a name "
                             "that getent group knows, or a gid",
                             TEXT(group->name));
        }
}

/* An id that stands for everybody who is not mapped is nobody's. */
static void lint_overflow(struct lint *lint, const struct rule *rule) {
        if (rule->user.at != NULL && rule->user_known && rule->uid == lint->facts->overflow_uid)
                WARN(lint,
                     rule,
                     rule->user_column,
                     "uid %u is what every unmapped user shows as here, so the rule matches nobody",
                     rule->uid);
        for (uint32_t i = 0; i < rule->n_groups; i++) {
                const struct rule_group *group = &lint->policy->groups[rule->first_group + i];

                if (group->known && group->gid == lint->facts->overflow_gid)
                        WARN(lint,
                             rule,
                             group->column,
                             "gid %u is what every unmapped group shows as here, so the rule "
                             "matches nobody",
                             group->gid);
        }
}

static void lint_unit(struct lint *lint, const struct rule *rule) {
        if (rule->unit.at == NULL || rule->user.at != NULL)
                return;
        WARN(lint,
             rule,
             rule->unit_column,
             "a unit without a user: whoever can start a process in '%.*s' is meant; expected a "
             "user beside it",
             TEXT(rule->unit));
}

static void lint_subject(struct lint *lint, const struct rule *rule) {
        if (rule->allow && rule->anyone && rule->unit.at == NULL)
                WARN(lint,
                     rule,
                     rule->anyone_column,
                     "anyone: every user of this machine may take these ports");
        if (!rule->allow && rule->unit.at != NULL)
                WARN(lint,
                     rule,
                     rule->unit_column,
                     "a denial that hangs on a unit: a peer whose unit cannot be established is "
                     "not denied");
}

static void lint_ports(struct lint *lint, const struct rule *rule) {
        uint32_t max = lint->facts->port_max;

        for (uint32_t i = 0; i < rule->n_items; i++) {
                const struct item *item = &lint->policy->items[rule->first_item + i];

                if (item->low > max && item->low == item->high)
                        WARN(lint,
                             rule,
                             item->column,
                             "port %u needs no privilege; expected 1 to %u",
                             item->low,
                             max);
                else if (item->high > max)
                        WARN(lint,
                             rule,
                             item->column,
                             "ports %u to %u need no privilege; expected 1 to %u",
                             item->low > max ? item->low : max + 1,
                             item->high,
                             max);
        }
}

static void lint_cover(struct lint *lint, const struct rule *rule) {
        const struct rule *other = cover_find(lint->cover, rule);

        if (other != NULL)
                WARN(lint,
                     rule,
                     rule->column,
                     "useless: %s:%u %s all of it%s",
                     rule_path(lint->policy, other),
                     other->line,
                     other->allow ? "allows" : "denies",
                     other->allow == rule->allow ? " as well" : "");
}

static void lint_rival(struct lint *lint, const struct rule *rule) {
        const struct item *item = NULL;
        const struct rule *other = rival_find(lint->rival, rule, &item);

        if (other != NULL)
                WARN(lint,
                     rule,
                     item->column,
                     "user %.*s may take the same UDP port as user %.*s (%s:%u); expected one "
                     "user for it",
                     TEXT(rule->user),
                     TEXT(other->user),
                     rule_path(lint->policy, other),
                     other->line);
}

static int lint_all(struct lint *lint) {
        const struct policy *policy = lint->policy;
        int r = cover_new(policy, &lint->cover);

        if (r == 0)
                r = rival_new(policy, &lint->rival);
        for (size_t i = 0; r == 0 && i < policy->n_rules; i++) {
                const struct rule *rule = &policy->rules[i];

                lint_cover(lint, rule);
                lint_names(lint, rule);
                lint_overflow(lint, rule);
                lint_unit(lint, rule);
                lint_subject(lint, rule);
                lint_ports(lint, rule);
                lint_rival(lint, rule);
        }
        if (r == 0 && (cover_gave_up(lint->cover) || rival_gave_up(lint->rival)))
                notices_add(lint->warnings,
                            policy->files[0].path,
                            0,
                            0,
                            "too many rules on the same users and ports to compare each with each: "
                            "there may be more that are useless or in conflict");
        lint->cover = cover_free(lint->cover);
        lint->rival = rival_free(lint->rival);
        return r;
}

int lint_policy(const struct policy *policy,
                const struct compile_facts *facts,
                enum lint_level level,
                struct notices *warnings) {
        struct lint lint = { .policy = policy, .facts = facts, .warnings = warnings };

        if (level == LINT_ALL)
                return lint_all(&lint);
        for (size_t i = 0; i < policy->n_rules; i++) {
                lint_names(&lint, &policy->rules[i]);
                lint_unit(&lint, &policy->rules[i]);
        }
        return 0;
}
