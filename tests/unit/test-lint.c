/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/lint.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct notices lint(const char *text, enum lint_level level) {
        struct policy *policy = fixture_policy(text);
        struct notices warnings = { 0 };
        struct compile_facts facts = fixture_facts;

        facts.overflow_uid = 65534;
        facts.overflow_gid = 65533;
        assert_int_equal(lint_policy(policy, &facts, level, &warnings), 0);
        policy_free(policy);
        return warnings;
}

/* What is warned of, and where: "line:column part of the text". */
static const struct {
        const char *text, *warning;
} cases[] = {
        /* names and units, which every load tells of */
        { "allow user nobodyknows tcp 80", "1:12 unknown user 'nobodyknows'" },
        { "allow group www group nobodyknows tcp 80", "1:23 unknown group 'nobodyknows'" },
        { "allow unit a.service tcp 80", "1:12 a unit without a user" },
        { "allow group www unit a.service tcp 80", "1:22 a unit without a user" },
        { "allow anyone unit a.service tcp 80", "1:19 a unit without a user" },
        { "allow user alice unit a.service tcp 80", NULL },
        /* ids that nobody has */
        { "allow user 65534 tcp 80", "1:12 uid 65534 is what every unmapped user" },
        { "allow group 65533 tcp 80", "1:13 gid 65533 is what every unmapped group" },
        { "allow user 65533 group 65534 tcp 80", NULL },
        /* subjects */
        { "allow anyone tcp 80", "1:7 anyone: every user" },
        { "deny anyone tcp 80", NULL },
        { "deny user alice unit a.service tcp 80", "1:22 a denial that hangs on a unit" },
        /* ports */
        { "allow user alice tcp 80,1024", "1:25 port 1024 needs no privilege; expected 1 to 1023" },
        { "allow user alice tcp 1023", NULL },
        { "allow user alice tcp 80-1024", "1:22 ports 1024 to 1024 need no privilege" },
        { "allow user alice tcp 2000-3000", "1:22 ports 2000 to 3000 need no privilege" },
        /* useless rules */
        { "allow user alice tcp 80\nallow user alice tcp 80", "2:1 useless: test.conf:1 allows" },
        { "allow user alice tcp 80\nallow user alice tcp 80-81",
          "1:1 useless: test.conf:2 allows" },
        { "allow user alice tcp 80-81\nallow user alice tcp 80", "2:1 useless" },
        { "allow user alice tcp 80\nallow user bob tcp 80", NULL },
        { "allow user alice tcp 80\nallow user alice udp 80", NULL },
        { "allow user alice tcp 80\nallow user alice tcp 80,81", "1:1 useless" },
        { "allow user alice tcp 80,82\nallow user alice tcp 80-81", NULL },
        { "allow user alice tcp 80\nallow user alice tcp 127.0.0.1:80", "2:1 useless" },
        { "allow user alice tcp 10.0.0.0/8:80\nallow user alice tcp 10.1.0.0/16:80",
          "2:1 useless" },
        { "allow user alice tcp 10.1.0.0/16:80\nallow user alice tcp 10.0.0.0/8:80",
          "1:1 useless" },
        { "allow user alice tcp 10.0.0.0/8:80\nallow user alice tcp 11.0.0.0/16:80", NULL },
        { "allow user alice tcp 0.0.0.0/0:80\nallow user alice tcp4 80", "2:1 useless" },
        { "allow user alice tcp 0.0.0.0/0:80\nallow user alice tcp 80", "1:1 useless" },
        { "allow user alice tcp 127.0.0.1:80\nallow user alice tcp 0.0.0.0:80", NULL },
        { "allow group www tcp 80\nallow user alice group www tcp 80", "2:1 useless" },
        { "allow user alice tcp 80\nallow user alice group www tcp 80", "2:1 useless" },
        { "allow group www tcp 80\nallow user alice tcp 80", NULL },
        { "allow group dns group www tcp 80\nallow group www tcp 80", "1:1 useless" },
        { "allow group dns group www tcp 80\nallow group www group dns tcp 80", "2:1 useless" },
        { "allow user alice tcp 80\nallow user alice unit a.service tcp 80", "2:1 useless" },
        { "allow user alice unit b.service tcp 80\nallow user alice unit a.service tcp 80", NULL },
        { "allow user alice tcp 80\nallow user alice tcp 80 netns any", "1:1 useless" },
        { "allow user alice tcp 80-81\nallow user alice tcp 80 netns any", NULL },
        { "deny user alice tcp 80\ndeny user alice tcp 80 netns any", "2:1 useless" },
        { "deny user alice tcp 80\ndeny user alice tcp 80-81", "1:1 useless: test.conf:2 denies" },
        { "deny anyone tcp 80\nallow user alice tcp 80", "2:1 useless: test.conf:1 denies" },
        { "allow user alice tcp 80\ndeny anyone tcp 1-100", "1:1 useless: test.conf:2 denies" },
        { "allow user alice tcp 80\ndeny user alice tcp 80", "1:1 useless" },
        { "deny user alice tcp 80\nallow user alice tcp 80 netns any", "2:1 useless" },
        { "allow user alice tcp 80-81\ndeny user alice tcp 80", NULL },
        { "allow user alice tcp 80\ndeny user bob tcp 80", NULL },
        { "allow user alice tcp 80\ndeny user alice group dns tcp 80", NULL },
        { "allow user alice tcp 0.0.0.0:80\ndeny user alice tcp 10.0.0.1:80", "1:1 useless" },
        { "allow user alice tcp 0.0.0.0/0:80\ndeny user alice tcp 10.0.0.1:80", NULL },
        { "allow user alice tcp 80\nallow user alice tcp 1-1023\nallow user alice tcp 1-79",
          "1:1 useless: test.conf:2 allows" },
        { "allow user alice unit a.service udp 53\nallow user alice unit b.service udp 53", NULL },
        /* UDP */
        { "allow user alice udp 53\nallow user bob udp 53",
          "2:20 user bob may take the same UDP port as user alice (test.conf:1)" },
        { "allow user alice udp 50-60\nallow user bob udp 1,53", "2:22 user bob may take" },
        { "allow user alice udp 53\nallow user bob udp 50-60", "2:20 user bob may take" },
        { "allow user alice any 53\nallow user bob tcp,udp 53", "2:24 user bob may take" },
        { "allow user alice tcp 53\nallow user bob tcp 53", NULL },
        { "allow user alice udp 53\nallow user bob udp 54", NULL },
        { "allow user alice udp4 53\nallow user bob udp6 53", NULL },
        { "allow user alice udp 127.0.0.1:53\nallow user bob udp 127.0.0.2:53", NULL },
        { "allow user alice udp 127.0.0.1:53\nallow user bob udp 127.0.0.0/8:53", "2:20 user bob" },
        { "allow user alice udp 127.0.0.1:53\nallow user bob udp 0.0.0.0:53", "2:20 user bob" },
        { "allow user alice udp 53\ndeny user bob udp 53", NULL },
        { "allow user alice udp 53\nallow user alice group www udp 127.0.0.1:53", "2:1 useless" },
};

static void check_case(size_t i) {
        struct notices warnings = lint(cases[i].text, LINT_ALL);
        unsigned line = 0, column = 0;
        int at = 0;

        if (cases[i].warning == NULL) {
                if (warnings.count != 0)
                        fail_msg("%s\nwarned: %s", cases[i].text, warnings.list[0].text);
                return;
        }
        assert_int_equal(sscanf(cases[i].warning, "%u:%u %n", &line, &column, &at), 2);
        if (warnings.count == 0)
                fail_msg("%s\nnot warned of: %s", cases[i].text, cases[i].warning);
        if (warnings.list[0].line != line || warnings.list[0].column != column ||
            strstr(warnings.list[0].text, cases[i].warning + at) == NULL)
                fail_msg("%s\nexpected %s\nsaid %u:%u %s",
                         cases[i].text,
                         cases[i].warning,
                         warnings.list[0].line,
                         warnings.list[0].column,
                         warnings.list[0].text);
        notices_done(&warnings);
}

static void warnings_and_none(void **state) {
        (void)state;
        for (size_t i = 0; i < LENGTH(cases); i++)
                check_case(i);
}

/* A wide range far from the port, with narrow ones between. */
static void a_wide_range_is_found(void **state) {
        struct notices warnings = lint("allow user alice tcp 1-1023\n"
                                       "allow user alice tcp 5\n"
                                       "allow user alice tcp 80\n",
                                       LINT_ALL);

        (void)state;
        assert_int_equal(warnings.count, 2);
        assert_int_equal(warnings.list[0].line, 2);
        assert_int_equal(warnings.list[1].line, 3);
        notices_done(&warnings);
}

static void each_once_and_in_order(void **state) {
        struct notices warnings = lint("allow anyone tcp 80,8080\n"
                                       "allow user alice tcp 80\n"
                                       "allow user nobodyknows tcp 80\n"
                                       "deny unit a.service tcp 80\n",
                                       LINT_ALL);

        (void)state;
        assert_int_equal(warnings.count, 6);
        for (size_t i = 1; i < warnings.count; i++)
                assert_true(warnings.list[i].line >= warnings.list[i - 1].line);
        notices_done(&warnings);
}

static void a_load_tells_of_names_and_units_only(void **state) {
        struct notices warnings = lint("allow anyone tcp 80,8080\n"
                                       "allow user alice tcp 80\n"
                                       "allow user nobodyknows tcp 80\n"
                                       "deny unit a.service tcp 80\n",
                                       LINT_LOAD);

        (void)state;
        assert_int_equal(warnings.count, 2);
        assert_int_equal(warnings.list[0].line, 3);
        assert_int_equal(warnings.list[1].line, 4);
        notices_done(&warnings);
}

/* Fifty thousand rules that all have to be compared with each other: it gives up, and says so. */
static void expect_giving_up(bool units) {
        enum { RULES = 50 * 1000, ROOM = 64 };
        char *text = malloc((size_t)RULES * ROOM), *at = text;
        struct notices warnings;
        struct timespec start, end;

        assert_non_null(text);
        for (unsigned i = 0; i < RULES; i++)
                at += snprintf(at,
                               ROOM,
                               units ? "allow user bob unit a%u-%u-%u.service tcp 80\n"
                                     : "allow user alice tcp 10.%u.%u.%u:80\n",
                               i >> 16,
                               i >> 8 & 255,
                               i & 255);
        clock_gettime(CLOCK_MONOTONIC, &start);
        warnings = lint(text, LINT_ALL);
        clock_gettime(CLOCK_MONOTONIC, &end);
        assert_int_equal(warnings.count, 1);
        assert_non_null(strstr(warnings.list[0].text, "too many rules"));
        assert_true(end.tv_sec - start.tv_sec < 20);
        notices_done(&warnings);
        free(text);
}

static void too_many_to_compare(void **state) {
        (void)state;
        expect_giving_up(false); /* by what they allow */
        expect_giving_up(true);  /* by whom */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(warnings_and_none),
                cmocka_unit_test(a_wide_range_is_found),
                cmocka_unit_test(each_once_and_in_order),
                cmocka_unit_test(a_load_tells_of_names_and_units_only),
                cmocka_unit_test(too_many_to_compare),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
