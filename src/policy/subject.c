/* SPDX-License-Identifier: MIT */
#include "policy/subject.h"

#include <errno.h>
#include <stdlib.h>

void subject_of(const struct policy *policy,
                const struct rule *rule,
                uint32_t *ret_kind,
                uint32_t *ret_id) {
        if (rule->user.at != NULL) {
                *ret_kind = SUBJECT_USER;
                *ret_id = rule->uid;
        } else if (rule->n_groups > 0) {
                *ret_kind = SUBJECT_GROUP;
                *ret_id = policy->groups[rule->first_group].gid;
        } else {
                *ret_kind = SUBJECT_ANYONE;
                *ret_id = 0;
        }
}

/* The slot that has the subject, or the free one where it belongs. */
static struct ruleset_slot *probe(const struct subjects *subjects, uint32_t kind, uint32_t id) {
        uint32_t at = ruleset_hash(kind, id, subjects->n_slots);

        for (;; at = (at + 1) & (subjects->n_slots - 1)) {
                struct ruleset_slot *slot = &subjects->slots[at];

                if (slot->kind == SUBJECT_FREE || (slot->kind == kind && slot->id == id))
                        return slot;
        }
}

static int allocate(struct subjects *subjects, size_t n) {
        subjects->n_slots = 2;
        while (subjects->n_slots / 2 < n)
                subjects->n_slots *= 2;
        subjects->slots = calloc(subjects->n_slots, sizeof(*subjects->slots));
        return subjects->slots == NULL ? -ENOMEM : 0;
}

/* Takes a subject into the table. Returns 1 if it was not there yet. */
static uint32_t take(struct subjects *subjects, uint32_t kind, uint32_t id) {
        struct ruleset_slot *slot = probe(subjects, kind, id);

        if (slot->kind != SUBJECT_FREE)
                return 0;
        slot->kind = kind;
        slot->id = id;
        return 1;
}

int subjects_new(const struct policy *policy, struct subjects *ret) {
        struct subjects wide, subjects;
        uint32_t n = 0;

        if (policy->n_rules > UINT32_MAX / 4)
                return -E2BIG;
        if (allocate(&wide, policy->n_rules) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < policy->n_rules; i++) {
                uint32_t kind, id;

                if (rule_matches_nobody(policy, &policy->rules[i]))
                        continue;
                subject_of(policy, &policy->rules[i], &kind, &id);
                n += take(&wide, kind, id);
        }
        /* A table that fits how many there are: mostly far fewer than rules. */
        if (allocate(&subjects, n) < 0) {
                subjects_done(&wide);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < wide.n_slots; i++)
                if (wide.slots[i].kind != SUBJECT_FREE)
                        take(&subjects, wide.slots[i].kind, wide.slots[i].id);
        subjects_done(&wide);
        *ret = subjects;
        return 0;
}

struct ruleset_slot *subjects_find(const struct subjects *subjects, uint32_t kind, uint32_t id) {
        struct ruleset_slot *slot = probe(subjects, kind, id);

        return slot->kind == SUBJECT_FREE ? NULL : slot;
}

void subjects_done(struct subjects *subjects) {
        free(subjects->slots);
        *subjects = (struct subjects){ 0 };
}
