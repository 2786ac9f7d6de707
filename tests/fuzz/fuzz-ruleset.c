/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz-ruleset.h"
#include "policy/decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* Of libFuzzer; an engine without it does not call our mutator either. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size) __attribute__((weak));

enum { SUBJECTS_ASKED = 8 };

/* An allow rule that was named as the reason of a grant is one, and the like. */
static void check(const struct ruleset *rules, const struct verdict *verdict) {
        bool named = verdict->rule != RULESET_NONE;

        if (named && verdict->rule >= rules->header->rules)
                abort();
        if (verdict->reason == LOWPORT_GRANTED &&
            (!named || (rules->rules[verdict->rule].flags & RULE_ALLOW) == 0))
                abort();
        if (verdict->reason == LOWPORT_RULE_DENIES &&
            (!named || (rules->rules[verdict->rule].flags & RULE_ALLOW) != 0))
                abort();
        if (named) {
                /* The worker copies the file's name into its reply. */
                volatile size_t length = strlen(rules->text + rules->rules[verdict->rule].path);

                (void)length;
        }
}

/* Whatever some decision might read once the block has been accepted, it can read. */
static void read_all(const struct ruleset *rules) {
        uint64_t sum = 0;
        volatile uint64_t keep;

        for (uint32_t i = 0; i < rules->header->slots; i++) {
                const struct ruleset_slot *slot = &rules->slots[i];

                if (slot->kind == SUBJECT_FREE || slot->count == 0)
                        continue;
                sum += rules->spans[slot->first].rule;
                sum += rules->spans[slot->first + slot->count - 1].rule;
        }
        for (uint32_t i = 0; i < rules->header->spans; i++)
                sum += rules->rules[rules->spans[i].rule].line;
        for (uint32_t i = 0; i < rules->header->rules; i++) {
                const struct ruleset_rule *rule = &rules->rules[i];

                if (rule->n_gids > 0)
                        sum += rules->gids[rule->gids] + rules->gids[rule->gids + rule->n_gids - 1];
                sum += strlen(rules->text + rule->path);
                if (rule->unit != RULESET_NONE)
                        sum += strlen(rules->text + rule->unit);
        }
        keep = sum;
        (void)keep;
}

static void ask(const struct ruleset *rules, struct fuzz_question *question) {
        const struct subject subject = {
                .uid = question->uid,
                .gids = question->gids,
                .n_gids = question->n_gids % 4,
                .unit = question->has_unit ? question->unit : NULL,
                .same_netns = question->same_netns,
        };
        struct request request;
        struct verdict verdict;
        uint32_t detail;

        if (wire_decode(&question->request, sizeof(question->request), &request, &detail) !=
            LOWPORT_GRANTED)
                return;
        verdict = decide(rules, &subject, &request);
        check(rules, &verdict);
}

/* The question, and the same by some of those whom the rules are about. */
static void ask_all(const struct ruleset *rules, struct fuzz_question *question) {
        ask(rules, question);
        for (uint32_t i = 0; i < rules->header->slots && i < SUBJECTS_ASKED; i++) {
                question->uid = question->gids[0] = rules->slots[i].id;
                question->n_gids |= 1;
                if (rules->header->spans > 0)
                        question->request.port = rules->spans[i % rules->header->spans].port_low;
                ask(rules, question);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct fuzz_question question;
        struct ruleset rules;
        void *block;

        if (size < sizeof(question))
                return 0;
        memcpy(&question, data, sizeof(question));
        question.unit[sizeof(question.unit) - 1] = '\0';
        size -= sizeof(question);
        block = malloc(size + (size == 0)); /* aligned, and exact */
        if (block == NULL)
                abort();
        memcpy(block, data + sizeof(question), size);
        if (ruleset_open(block, size, &rules) == 0) {
                read_all(&rules);
                ask_all(&rules, &question);
        }
        free(block);
        return 0;
}

/* One number of the block becomes what such numbers are compared with, or is near to that. */
static void corrupt(uint8_t *block, size_t size, unsigned seed) {
        struct ruleset_header header;
        uint32_t values[] = { 0, 1, UINT32_MAX, UINT32_MAX / 16, 0, 0, 0, 0, 0 };
        size_t at = (seed >> 4) % (size / sizeof(uint32_t)) * sizeof(uint32_t);
        uint32_t value;

        memcpy(&header, block, sizeof(header));
        values[4] = header.slots;
        values[5] = header.spans;
        values[6] = header.rules;
        values[7] = header.gids;
        values[8] = header.text;
        value = values[(seed >> 16) % (sizeof(values) / sizeof(*values))] + (seed >> 24) % 3 - 1;
        memcpy(block + at, &value, sizeof(value));
}

/* Makes the sizes agree again, so that what comes behind that check is reached. */
static void mend(uint8_t *block, size_t size) {
        struct ruleset_header header;
        uint64_t before_text;

        memcpy(&header, block, sizeof(header));
        memcpy(header.magic, RULESET_MAGIC, sizeof(header.magic));
        header.size = size;
        before_text = sizeof(header) + (uint64_t)header.slots * sizeof(struct ruleset_slot) +
                      (uint64_t)header.spans * sizeof(struct ruleset_span) +
                      (uint64_t)header.rules * sizeof(struct ruleset_rule) +
                      (uint64_t)header.gids * sizeof(uint32_t);
        if (before_text < size)
                header.text = (uint32_t)(size - before_text);
        memcpy(block, &header, sizeof(header));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
        size_t head = sizeof(struct fuzz_question), least = head + sizeof(struct ruleset_header);

        if (size < least || seed % 4 > 0)
                size = LLVMFuzzerMutate(data, size, max_size);
        if (size < least)
                return size;
        if (seed % 4 < 2)
                corrupt(data + head, size - head, seed);
        if (seed % 16 > 0)
                mend(data + head, size - head);
        return size;
}
