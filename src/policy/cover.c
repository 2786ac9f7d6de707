/* SPDX-License-Identifier: MIT */
#include "policy/cover.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/extent.h"
#include "policy/portindex.h"
#include "policy/subject.h"

/* A rule that covers another has the same subject, or one of the other's groups, or anyone: only
 * these buckets are searched. */
struct cover {
        const struct policy *policy;
        struct subjects subjects;
        struct port_index index;
};

static bool has_group(const struct policy *policy, const struct rule *rule, uint32_t gid) {
        for (uint32_t i = 0; i < rule->n_groups; i++)
                if (policy->groups[rule->first_group + i].gid == gid)
                        return true;
        return false;
}

/* Whoever `inner` is about, `outer` is about too. */
static bool
who_covers(const struct policy *policy, const struct rule *outer, const struct rule *inner) {
        if (outer->user.at != NULL && (inner->user.at == NULL || outer->uid != inner->uid))
                return false;
        for (uint32_t i = 0; i < outer->n_groups; i++)
                if (!has_group(policy, inner, policy->groups[outer->first_group + i].gid))
                        return false;
        return outer->unit.at == NULL ||
               (inner->unit.at != NULL && text_equal(outer->unit, inner->unit));
}

static bool what_covers(struct cover *cover, const struct rule *outer, const struct rule *inner) {
        const struct item *items = cover->policy->items;
        bool forbids = inner->allow && !outer->allow;

        for (uint32_t i = 0; i < inner->n_items; i++) {
                const struct item *item = &items[inner->first_item + i];
                bool found = false;

                for (uint32_t j = 0; j < outer->n_items && !found; j++) {
                        const struct item *other = &items[outer->first_item + j];

                        if (cover->index.budget == 0)
                                return false;
                        cover->index.budget--;
                        found = forbids ? item_forbids(other, item) : item_covers(other, item);
                }
                if (!found)
                        return false;
        }
        return true;
}

static bool covers(struct cover *cover, const struct rule *outer, const struct rule *inner) {
        if (outer->allow && (!inner->allow || (inner->netns_any && !outer->netns_any)))
                return false;
        return who_covers(cover->policy, outer, inner) && what_covers(cover, outer, inner);
}

static bool makes_useless(struct cover *cover, const struct rule *outer, const struct rule *inner) {
        if (outer == inner || !covers(cover, outer, inner))
                return false;
        /* Of two that say the same, the first stays. */
        return outer->allow != inner->allow || outer < inner || !covers(cover, inner, outer);
}

static const struct rule *
find_in(struct cover *cover, uint32_t kind, uint32_t id, const struct rule *rule) {
        const struct ruleset_slot *slot = subjects_find(&cover->subjects, kind, id);
        const struct item *item = &cover->policy->items[rule->first_item];
        const struct port_entry *entry;
        struct port_walk walk;

        if (slot == NULL)
                return NULL;
        walk = port_index_walk(
                &cover->index, (uint32_t)(slot - cover->subjects.slots), item->low, item->high);
        while ((entry = port_index_next(&walk)) != NULL) {
                const struct rule *other = &cover->policy->rules[entry->rule];

                if (makes_useless(cover, other, rule))
                        return other;
        }
        return NULL;
}

const struct rule *cover_find(struct cover *cover, const struct rule *rule) {
        const struct rule *found = NULL;

        if (rule_matches_nobody(cover->policy, rule))
                return NULL;
        found = find_in(cover, SUBJECT_ANYONE, 0, rule);
        if (found == NULL && rule->user.at != NULL)
                found = find_in(cover, SUBJECT_USER, rule->uid, rule);
        for (uint32_t i = 0; i < rule->n_groups && found == NULL; i++)
                found = find_in(cover,
                                SUBJECT_GROUP,
                                cover->policy->groups[rule->first_group + i].gid,
                                rule);
        return found;
}

static void index_rules(struct cover *cover) {
        const struct policy *policy = cover->policy;

        for (uint32_t i = 0; i < policy->n_rules; i++) {
                const struct rule *rule = &policy->rules[i];
                uint32_t kind, id;

                if (rule_matches_nobody(policy, rule))
                        continue;
                subject_of(policy, rule, &kind, &id);
                for (uint32_t j = 0; j < rule->n_items; j++) {
                        const struct item *item = &policy->items[rule->first_item + j];
                        struct port_entry entry = {
                                .bucket = (uint32_t)(subjects_find(&cover->subjects, kind, id) -
                                                     cover->subjects.slots),
                                .rule = i,
                                .item = rule->first_item + j,
                                .low = item->low,
                                .high = item->high,
                        };

                        port_index_add(&cover->index, &entry);
                }
        }
        port_index_sort(&cover->index);
}

int cover_new(const struct policy *policy, struct cover **ret) {
        struct cover *cover = calloc(1, sizeof(*cover));
        int r = cover == NULL ? -ENOMEM : 0;

        if (r == 0) {
                cover->policy = policy;
                r = subjects_new(policy, &cover->subjects);
        }
        if (r == 0)
                r = port_index_init(&cover->index, policy->n_items);
        if (r < 0) {
                cover_free(cover);
                return r;
        }
        index_rules(cover);
        *ret = cover;
        return 0;
}

bool cover_gave_up(const struct cover *cover) {
        return cover->index.budget == 0;
}

struct cover *cover_free(struct cover *cover) {
        if (cover != NULL) {
                subjects_done(&cover->subjects);
                port_index_done(&cover->index);
        }
        free(cover);
        return NULL;
}
