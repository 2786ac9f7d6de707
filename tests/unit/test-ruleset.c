/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char policy[] = "allow user alice group www unit a.service tcp 80\n"
                             "allow group dns udp 127.0.0.1:53 [::1]:53\n"
                             "deny anyone tcp 1\n";

/* A block of the policy above, and room to spoil it. */
struct copy {
        void *memory;
        size_t size;
        struct ruleset_header *header;
        struct ruleset_slot *slots;
        struct ruleset_span *spans;
        struct ruleset_rule *rules;
};

static struct copy copy_new(void) {
        struct fixture_ruleset fixture = fixture_ruleset(policy, &fixture_facts);
        struct copy copy = { .memory = fixture.memory, .size = fixture.size };

        copy.header = copy.memory;
        copy.slots = (void *)((char *)copy.memory + sizeof(*copy.header));
        copy.spans = (void *)(copy.slots + copy.header->slots);
        copy.rules = (void *)(copy.spans + copy.header->spans);
        policy_free(fixture.policy);
        return copy;
}

static struct ruleset_slot *taken_slot(const struct copy *copy) {
        struct ruleset_slot *slot = copy->slots;

        while (slot->kind == SUBJECT_FREE)
                slot++;
        return slot;
}

static void spoil_slot(struct copy *copy, int n) {
        struct ruleset_slot *slot = taken_slot(copy);

        switch (n) {
        case 0:
                slot->kind = 4;
                break;
        case 1:
                slot->first = copy->header->spans + 1;
                break;
        case 2:
                slot->count = copy->header->spans + 1;
                break;
        case 3:
                slot->first = UINT32_MAX;
                slot->count = 2;
                break;
        case 4: /* the sum would pass 32 bits */
                slot->first = 1;
                slot->count = UINT32_MAX;
                break;
        default: /* no free slot: a search would not end */
                for (uint32_t i = 0; i < copy->header->slots; i++)
                        copy->slots[i].kind = SUBJECT_USER;
        }
}

static void spoil_span(struct copy *copy, int n) {
        switch (n) {
        case 0:
                copy->spans[0].rule = copy->header->rules;
                break;
        case 1:
                copy->spans[0].family = 5;
                break;
        case 2:
                copy->spans[0].prefix_length = 129;
                break;
        default:
                copy->spans[0].family = ADDRESS_V4;
                copy->spans[0].prefix_length = 33;
        }
}

static void spoil_rule(struct copy *copy, int n) {
        switch (n) {
        case 0:
                copy->rules[0].path = copy->header->text;
                break;
        case 1:
                copy->rules[0].unit = copy->header->text;
                break;
        case 2:
                copy->rules[0].n_gids = copy->header->gids + 1;
                break;
        case 3:
                copy->rules[0].gids = copy->header->gids + 1;
                break;
        case 4: /* the sum would pass 32 bits */
                copy->rules[0].gids = 1;
                copy->rules[0].n_gids = UINT32_MAX;
                break;
        default:
                copy->rules[0].gids = UINT32_MAX;
                copy->rules[0].n_gids = 2;
        }
}

static void spoil_header(struct copy *copy, int n) {
        switch (n) {
        case 0:
                copy->header->magic[7]++;
                break;
        case 1:
                copy->header->size++;
                break;
        case 2:
                copy->header->slots = 0;
                break;
        case 3:
                copy->header->slots--;
                break;
        case 4:
                copy->header->spans = UINT32_MAX;
                break;
        case 5:
                copy->header->rules++;
                break;
        case 6:
                copy->header->gids--;
                break;
        case 7:
                copy->header->text--;
                copy->header->size--;
                copy->size--;
                ((char *)copy->memory)[copy->size - 1] = 'x'; /* no NUL at the end */
                break;
        case 8: /* one slot only */
                copy->header->spans = copy->header->rules = copy->header->gids = 0;
                copy->header->slots = 1;
                copy->header->text = 8;
                copy->size = copy->header->size = sizeof(*copy->header) + 16 + 8;
                memset(copy->slots, 0, 24);
                break;
        default: /* no text */
                copy->header->spans = copy->header->rules = copy->header->gids = 0;
                copy->header->slots = 2;
                copy->header->text = 0;
                copy->size = copy->header->size = sizeof(*copy->header) + 32;
                memset(copy->slots, 0, 32);
        }
}

static void expect_refused(void (*spoil)(struct copy *, int), int n) {
        struct copy copy = copy_new();
        struct ruleset rules;

        for (int i = 0; i < n; i++) {
                assert_int_equal(ruleset_open(copy.memory, copy.size, &rules), 0);
                spoil(&copy, i);
                if (ruleset_open(copy.memory, copy.size, &rules) != -EBADMSG)
                        fail_msg("case %d was taken", i);
                free(copy.memory);
                copy = copy_new();
        }
        free(copy.memory);
}

static void headers(void **state) {
        (void)state;
        expect_refused(spoil_header, 10);
}

static void slots(void **state) {
        (void)state;
        expect_refused(spoil_slot, 6);
}

static void spans(void **state) {
        (void)state;
        expect_refused(spoil_span, 4);
}

static void rules(void **state) {
        (void)state;
        expect_refused(spoil_rule, 6);
}

static void every_truncation_is_refused(void **state) {
        struct copy copy = copy_new();
        struct ruleset view;

        (void)state;
        for (size_t size = 0; size < copy.size; size++) {
                void *part = malloc(size + 1); /* so that a sanitizer sees what is read beyond it */

                assert_non_null(part);
                memcpy(part, copy.memory, size);
                assert_int_equal(ruleset_open(part, size, &view), -EBADMSG);
                free(part);
        }
        free(copy.memory);
}

static void empty_policy(void **state) {
        struct fixture_ruleset fixture = fixture_ruleset("", &fixture_facts);

        (void)state;
        assert_int_equal(fixture.rules.header->rules, 0);
        assert_null(ruleset_find(&fixture.rules, SUBJECT_USER, 0));
        assert_null(ruleset_find(&fixture.rules, SUBJECT_ANYONE, 0));
        fixture_ruleset_done(&fixture);
}

static void subjects_are_found(void **state) {
        struct fixture_ruleset fixture = fixture_ruleset(policy, &fixture_facts);
        const struct ruleset_slot *slot;

        (void)state;
        slot = ruleset_find(&fixture.rules, SUBJECT_USER, 1001);
        assert_non_null(slot);
        assert_int_equal(slot->count, 1);
        slot = ruleset_find(&fixture.rules, SUBJECT_GROUP, 2002);
        assert_non_null(slot);
        assert_int_equal(slot->count, 2);
        assert_non_null(ruleset_find(&fixture.rules, SUBJECT_ANYONE, 0));
        assert_null(ruleset_find(&fixture.rules, SUBJECT_GROUP, 2001)); /* it has a user */
        assert_null(ruleset_find(&fixture.rules, SUBJECT_GROUP, 1001));
        assert_null(ruleset_find(&fixture.rules, SUBJECT_USER, 2002));
        fixture_ruleset_done(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(headers),
                cmocka_unit_test(slots),
                cmocka_unit_test(spans),
                cmocka_unit_test(rules),
                cmocka_unit_test(every_truncation_is_refused),
                cmocka_unit_test(empty_policy),
                cmocka_unit_test(subjects_are_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
