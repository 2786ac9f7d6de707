/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "fuzz-ruleset.h"
#include "policy/decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct fuzz_question question;
        struct request request;
        struct ruleset rules;
        uint32_t detail;
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
        if (wire_decode(&question.request, sizeof(question.request), &request, &detail) ==
                    LOWPORT_GRANTED &&
            ruleset_open(block, size, &rules) == 0) {
                const struct subject subject = {
                        .uid = question.uid,
                        .gids = question.gids,
                        .n_gids = question.n_gids % 4,
                        .unit = question.has_unit ? question.unit : NULL,
                        .same_netns = question.same_netns,
                };
                struct verdict verdict = decide(&rules, &subject, &request);

                check(&rules, &verdict);
        }
        free(block);
        return 0;
}
