/* SPDX-License-Identifier: MIT */
#include "policy/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more element. Positions are 32 bits everywhere. */
static void *grow(void *array, size_t count, size_t *max, size_t size) {
        size_t wanted = *max == 0 ? 16 : *max * 2;
        void *grown;

        if (count < *max)
                return array;
        if (wanted > UINT32_MAX)
                return NULL;
        grown = reallocarray(array, wanted, size);
        if (grown != NULL)
                *max = wanted;
        return grown;
}

int policy_add_file(struct policy *policy, const char *path, char *text, size_t size) {
        struct policy_file *files =
                grow(policy->files, policy->n_files, &policy->max_files, sizeof(*files));
        char *copy;

        if (files == NULL)
                return -ENOMEM;
        policy->files = files;
        copy = strdup(path);
        if (copy == NULL)
                return -ENOMEM;
        files[policy->n_files++] = (struct policy_file){ .path = copy, .text = text, .size = size };
        return 0;
}

int policy_add_rule(struct policy *policy, const struct rule *rule) {
        struct rule *rules =
                grow(policy->rules, policy->n_rules, &policy->max_rules, sizeof(*rules));

        if (rules == NULL)
                return -ENOMEM;
        policy->rules = rules;
        rules[policy->n_rules++] = *rule;
        return 0;
}

int policy_add_group(struct policy *policy, const struct rule_group *group) {
        struct rule_group *groups =
                grow(policy->groups, policy->n_groups, &policy->max_groups, sizeof(*groups));

        if (groups == NULL)
                return -ENOMEM;
        policy->groups = groups;
        groups[policy->n_groups++] = *group;
        return 0;
}

int policy_add_item(struct policy *policy, const struct item *item) {
        struct item *items =
                grow(policy->items, policy->n_items, &policy->max_items, sizeof(*items));

        if (items == NULL)
                return -ENOMEM;
        policy->items = items;
        items[policy->n_items++] = *item;
        return 0;
}

bool rule_matches_nobody(const struct policy *policy, const struct rule *rule) {
        if (rule->user.at != NULL && !rule->user_known)
                return true;
        for (uint32_t i = 0; i < rule->n_groups; i++)
                if (!policy->groups[rule->first_group + i].known)
                        return true;
        return false;
}

const char *rule_path(const struct policy *policy, const struct rule *rule) {
        return policy->files[rule->file].path;
}

struct policy *policy_free(struct policy *policy) {
        if (policy == NULL)
                return NULL;
        for (size_t i = 0; i < policy->n_files; i++) {
                free(policy->files[i].path);
                free(policy->files[i].text);
        }
        free(policy->files);
        free(policy->rules);
        free(policy->groups);
        free(policy->items);
        free(policy);
        return NULL;
}
