/* SPDX-License-Identifier: MIT */
#include "policy/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/sealed.h"
#include "policy/subject.h"

/* The block while it is written; the pointers lead into `memory`. */
struct block {
        char *memory;
        struct ruleset_header *header;
        struct ruleset_slot *slots;
        struct ruleset_span *spans;
        struct ruleset_rule *rules;
        uint32_t *gids;
        char *text;
        uint32_t text_used;
        uint32_t *paths; /* the offset in text of each file's name */
};

/* The slot under which a rule is found; NULL when it matches nobody. */
static struct ruleset_slot *
slot_of(const struct policy *policy, const struct subjects *subjects, const struct rule *rule) {
        uint32_t kind, id;

        if (rule_matches_nobody(policy, rule))
                return NULL;
        subject_of(policy, rule, &kind, &id);
        return subjects_find(subjects, kind, id);
}

/* Counts the spans of each subject, and says where they start. Returns how many there are. */
static uint32_t place_spans(const struct policy *policy, const struct subjects *subjects) {
        uint32_t first = 0;

        for (size_t i = 0; i < policy->n_rules; i++) {
                struct ruleset_slot *slot = slot_of(policy, subjects, &policy->rules[i]);

                if (slot != NULL)
                        slot->count += policy->rules[i].n_items;
        }
        for (uint32_t i = 0; i < subjects->n_slots; i++) {
                subjects->slots[i].first = subjects->slots[i].kind == SUBJECT_FREE ? 0 : first;
                first += subjects->slots[i].count;
                subjects->slots[i].count = 0;
        }
        return first;
}

static uint64_t text_size(const struct policy *policy) {
        uint64_t size = 1; /* never empty */

        for (size_t i = 0; i < policy->n_files; i++)
                size += strlen(policy->files[i].path) + 1;
        for (size_t i = 0; i < policy->n_rules; i++)
                size += policy->rules[i].unit.at == NULL ? 0 : policy->rules[i].unit.length + 1;
        return size;
}

static int allocate(const struct policy *policy,
                    const struct compile_facts *facts,
                    const struct subjects *subjects,
                    struct block *block) {
        struct ruleset_header header = {
                .slots = subjects->n_slots,
                .spans = place_spans(policy, subjects),
                .rules = (uint32_t)policy->n_rules,
                .gids = (uint32_t)policy->n_groups,
                .overflow_uid = facts->overflow_uid,
                .overflow_gid = facts->overflow_gid,
                .port_max = facts->port_max,
        };
        uint64_t text = text_size(policy);
        size_t spans_at = sizeof(header) + header.slots * sizeof(*block->slots);
        size_t rules_at = spans_at + header.spans * sizeof(*block->spans);
        size_t gids_at = rules_at + header.rules * sizeof(*block->rules);
        size_t text_at = gids_at + header.gids * sizeof(*block->gids);

        if (text > UINT32_MAX)
                return -E2BIG;
        memcpy(header.magic, RULESET_MAGIC, sizeof(header.magic));
        header.text = (uint32_t)text;
        header.size = text_at + text;

        block->memory = calloc(1, header.size);
        block->paths = calloc(policy->n_files + 1, sizeof(*block->paths));
        if (block->memory == NULL || block->paths == NULL)
                return -ENOMEM;
        block->header = (void *)block->memory;
        block->slots = (void *)(block->memory + sizeof(header));
        block->spans = (void *)(block->memory + spans_at);
        block->rules = (void *)(block->memory + rules_at);
        block->gids = (void *)(block->memory + gids_at);
        block->text = block->memory + text_at;
        *block->header = header;
        return 0;
}

static uint32_t write_text(struct block *block, struct text text) {
        uint32_t at = block->text_used;

        memcpy(block->text + at, text.at, text.length);
        block->text_used += (uint32_t)text.length + 1; /* the NUL is there already */
        return at;
}

static void write_spans(const struct policy *policy,
                        const struct rule *rule,
                        struct ruleset_slot *slot,
                        struct ruleset_span *spans) {
        for (uint32_t i = 0; i < rule->n_items; i++) {
                const struct item *item = &policy->items[rule->first_item + i];
                struct ruleset_span *span = &spans[slot->first + slot->count++];

                *span = (struct ruleset_span){
                        .rule = (uint32_t)(rule - policy->rules),
                        .port_low = item->low,
                        .port_high = item->high,
                        .protocols = item->protocols,
                        .family = item->family,
                        .prefix_length = item->prefix_length,
                };
                memcpy(span->address, item->address, sizeof(span->address));
        }
}

static void write_rule(struct block *block, const struct rule *rule, struct ruleset_rule *ret) {
        *ret = (struct ruleset_rule){
                .flags = (rule->allow ? RULE_ALLOW : 0U) | (rule->netns_any ? RULE_NETNS_ANY : 0U),
                .uid = rule->user.at != NULL && rule->user_known ? rule->uid : RULESET_NONE,
                .gids = rule->first_group,
                .n_gids = rule->n_groups,
                .unit = rule->unit.at != NULL ? write_text(block, rule->unit) : RULESET_NONE,
                .path = block->paths[rule->file],
                .line = rule->line,
        };
}

static void
write_block(const struct policy *policy, const struct subjects *subjects, struct block *block) {
        for (size_t i = 0; i < policy->n_files; i++) {
                const char *path = policy->files[i].path;

                block->paths[i] = write_text(block, (struct text){ path, strlen(path) });
        }
        for (size_t i = 0; i < policy->n_groups; i++)
                block->gids[i] = policy->groups[i].known ? policy->groups[i].gid : RULESET_NONE;
        for (size_t i = 0; i < policy->n_rules; i++) {
                const struct rule *rule = &policy->rules[i];
                struct ruleset_slot *slot = slot_of(policy, subjects, rule);

                write_rule(block, rule, &block->rules[i]);
                if (slot != NULL)
                        write_spans(policy, rule, slot, block->spans);
        }
        memcpy(block->slots, subjects->slots, subjects->n_slots * sizeof(*block->slots));
}

int compile_policy(const struct policy *policy, const struct compile_facts *facts, int *ret_fd) {
        struct block block = { 0 };
        struct subjects subjects;
        int r = subjects_new(policy, &subjects);

        if (r < 0)
                return r;
        r = allocate(policy, facts, &subjects, &block);
        if (r == 0) {
                write_block(policy, &subjects, &block);
                r = sealed_new(block.memory, block.header->size, ret_fd);
        }
        free(block.memory);
        free(block.paths);
        subjects_done(&subjects);
        return r;
}
