/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/compile.h"
#include "policy/load.h"

static const char *text_at(const struct fixture_ruleset *fixture, uint32_t offset) {
        return fixture->rules.text + offset;
}

static void a_rule_becomes_what_it_says(void **state) {
        struct fixture_ruleset fixture = fixture_ruleset(
                "# one\n"
                "allow user alice group www group dns unit app@*.service tcp 80 udp4 "
                "10.0.0.0/8:1-9 netns any\n"
                "deny anyone sctp 2\n",
                &fixture_facts);
        const struct ruleset_rule *rule = &fixture.rules.rules[0];
        const struct ruleset_slot *slot = ruleset_find(&fixture.rules, SUBJECT_USER, 1001);
        const struct ruleset_span *span = &fixture.rules.spans[slot->first];

        (void)state;
        assert_int_equal(fixture.rules.header->rules, 2);
        assert_int_equal(rule->flags, RULE_ALLOW | RULE_NETNS_ANY);
        assert_int_equal(rule->uid, 1001);
        assert_int_equal(rule->n_gids, 2);
        assert_int_equal(fixture.rules.gids[rule->gids], 2001);
        assert_int_equal(fixture.rules.gids[rule->gids + 1], 2002);
        assert_string_equal(text_at(&fixture, rule->unit), "app@*.service");
        assert_string_equal(text_at(&fixture, rule->path), "test.conf");
        assert_int_equal(rule->line, 2);

        assert_int_equal(slot->count, 2);
        assert_int_equal(span[0].rule, 0);
        assert_int_equal(span[0].port_low, 80);
        assert_int_equal(span[0].port_high, 80);
        assert_int_equal(span[0].protocols, PROTOCOL_TCP4 | PROTOCOL_TCP6);
        assert_int_equal(span[0].family, 0);
        assert_int_equal(span[1].port_low, 1);
        assert_int_equal(span[1].port_high, 9);
        assert_int_equal(span[1].protocols, PROTOCOL_UDP4);
        assert_int_equal(span[1].family, ADDRESS_V4);
        assert_int_equal(span[1].prefix_length, 8);
        assert_int_equal(span[1].address[0], 10);

        rule = &fixture.rules.rules[1];
        assert_int_equal(rule->flags, 0);
        assert_int_equal(rule->uid, RULESET_NONE);
        assert_int_equal(rule->n_gids, 0);
        assert_int_equal(rule->unit, RULESET_NONE);
        fixture_ruleset_done(&fixture);
}

static void facts_go_into_the_header(void **state) {
        struct compile_facts facts = { .overflow_uid = 1, .overflow_gid = 2, .port_max = 3 };
        struct fixture_ruleset fixture = fixture_ruleset("", &facts);

        (void)state;
        assert_int_equal(fixture.rules.header->overflow_uid, 1);
        assert_int_equal(fixture.rules.header->overflow_gid, 2);
        assert_int_equal(fixture.rules.header->port_max, 3);
        fixture_ruleset_done(&fixture);
}

static void unknown_names_keep_their_place(void **state) {
        struct fixture_ruleset fixture = fixture_ruleset("allow user nobodyknows tcp 80\n"
                                                         "allow user alice tcp 81\n",
                                                         &fixture_facts);

        (void)state;
        assert_int_equal(fixture.rules.header->rules, 2);
        assert_int_equal(fixture.rules.header->spans, 1);
        assert_int_equal(fixture.rules.spans[0].rule, 1);
        assert_int_equal(fixture.rules.rules[1].line, 2);
        fixture_ruleset_done(&fixture);
}

/* What an unknown name has for a number, 0, must not stand for root. */
static void unknown_names_are_not_root(void **state) {
        struct fixture_ruleset fixture = fixture_ruleset("allow user nobodyknows tcp 80\n"
                                                         "allow group nobodyknows tcp 80\n"
                                                         "allow user 0 tcp 81\n"
                                                         "allow group 0 tcp 81\n",
                                                         &fixture_facts);

        (void)state;
        assert_int_equal(fixture.rules.header->spans, 2);
        assert_int_equal(fixture.rules.spans[0].port_low, 81);
        assert_int_equal(fixture.rules.spans[1].port_low, 81);
        assert_int_equal(fixture.rules.rules[0].uid, RULESET_NONE);
        assert_int_equal(fixture.rules.gids[fixture.rules.rules[1].gids], RULESET_NONE);
        fixture_ruleset_done(&fixture);
}

static void the_memory_is_sealed(void **state) {
        struct policy *policy = fixture_policy("allow anyone tcp 80");
        int fd = -1, seals;
        char byte = 0;

        (void)state;
        assert_int_equal(compile_policy(policy, &fixture_facts, &fd), 0);
        seals = fcntl(fd, F_GET_SEALS);
        assert_int_equal(seals & (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
                         F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(pwrite(fd, &byte, 1, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_ptr_equal(mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        close(fd);
        policy_free(policy);
}

static void overflow_ids(void **state) {
        (void)state;
        assert_int_equal(facts_overflow_id("         0          0 4294967295\n", "65534\n"),
                         RULESET_NONE);
        assert_int_equal(facts_overflow_id("0 0 1000\n1000 5000 4294966295\n", "65534\n"),
                         RULESET_NONE);
        assert_int_equal(facts_overflow_id("0 1000 1\n", "65534\n"), 65534);
        assert_int_equal(facts_overflow_id("0 100000 65536\n", "4711\n"), 4711);
        assert_int_equal(facts_overflow_id("", "65534\n"), 65534);
        /* What is not known is taken to be partial. */
        assert_int_equal(facts_overflow_id(NULL, NULL), 65534);
        assert_int_equal(facts_overflow_id(NULL, "junk"), 65534);
}

static void highest_port(void **state) {
        (void)state;
        assert_int_equal(facts_port_max("1024\n"), 1023);
        assert_int_equal(facts_port_max("0\n"), 1023);
        assert_int_equal(facts_port_max("80\n"), 1023);
        assert_int_equal(facts_port_max("2048\n"), 2047);
        assert_int_equal(facts_port_max("65535\n"), 65534);
        assert_int_equal(facts_port_max("65536\n"), 65535);
        assert_int_equal(facts_port_max(NULL), 1023);
        assert_int_equal(facts_port_max(""), 1023);
}

/* A file with a policy, and what loading it says. */
struct loading {
        char path[64];
        struct load_report report;
        int fd, result;
};

static struct loading load(const char *text, const struct compile_facts *facts) {
        struct loading loading = { .path = "/tmp/lowport-test-XXXXXX", .fd = -1 };
        const char *paths[] = { loading.path };
        struct load_options options = { .paths = paths, .n_paths = 1, .facts = facts };
        int file = mkstemp(loading.path);

        assert_true(file >= 0);
        assert_int_equal(write(file, text, strlen(text)), strlen(text));
        close(file);
        loading.result = load_ruleset(&options, &loading.report, &loading.fd);
        unlink(loading.path);
        return loading;
}

static void loading_done(struct loading *loading) {
        load_report_done(&loading->report);
        if (loading->fd >= 0)
                close(loading->fd);
}

static void a_load_returns_a_rule_set(void **state) {
        struct loading loading = load("allow user 1 tcp 80\nallow user 2 tcp 81\n", NULL);
        struct ruleset rules;
        struct stat st;
        void *memory;

        (void)state;
        assert_int_equal(loading.result, 0);
        assert_null(loading.report.error);
        assert_int_equal(loading.report.n_files, 1);
        assert_int_equal(loading.report.n_rules, 2);
        assert_int_equal(loading.report.n_warnings, 0);
        assert_int_equal(fstat(loading.fd, &st), 0);
        memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, loading.fd, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        assert_int_equal(ruleset_open(memory, (size_t)st.st_size, &rules), 0);
        assert_string_equal(rules.text + rules.rules[1].path, loading.path);
        munmap(memory, (size_t)st.st_size);
        loading_done(&loading);
}

static void a_load_says_what_is_wrong(void **state) {
        struct loading loading = load("allow user 1 tcp 80\nallow user 2 tcp 0\n", NULL);
        char expected[128];

        (void)state;
        assert_int_equal(loading.result, -EBADMSG);
        assert_int_equal(loading.fd, -1);
        snprintf(expected,
                 sizeof(expected),
                 "%s:2:18: port 0 is never granted; expected 1 to 65535",
                 loading.path);
        assert_string_equal(loading.report.error, expected);
        assert_int_equal(loading.report.errors.count, 1);
        loading_done(&loading);
}

static void a_load_warns(void **state) {
        struct loading loading =
                load("allow user no-such-user-here tcp 80\nallow unit a.service tcp 80\n",
                     &fixture_facts);

        (void)state;
        assert_int_equal(loading.result, 0);
        assert_int_equal(loading.report.n_warnings, 2);
        assert_non_null(strstr(loading.report.warnings[0], ":1:12: unknown user"));
        assert_non_null(strstr(loading.report.warnings[1], ":2:12: a unit without a user"));
        loading_done(&loading);
}

static void a_unit_needs_a_pidfd(void **state) {
        struct compile_facts facts = fixture_facts;
        struct loading loading;

        (void)state;
        facts.peer_pidfd = false;
        loading = load("allow user 1 tcp 80\n", &facts);
        assert_int_equal(loading.result, 0);
        loading_done(&loading);
        loading = load("allow user 1 tcp 80\nallow user 1 unit a.service tcp 80\n", &facts);
        assert_int_equal(loading.result, -EBADMSG);
        assert_non_null(strstr(loading.report.error, ":2:19: a rule on a unit"));
        assert_non_null(strstr(loading.report.error, "Linux 6.5"));
        loading_done(&loading);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_rule_becomes_what_it_says),
                cmocka_unit_test(facts_go_into_the_header),
                cmocka_unit_test(unknown_names_keep_their_place),
                cmocka_unit_test(unknown_names_are_not_root),
                cmocka_unit_test(the_memory_is_sealed),
                cmocka_unit_test(overflow_ids),
                cmocka_unit_test(highest_port),
                cmocka_unit_test(a_load_returns_a_rule_set),
                cmocka_unit_test(a_load_says_what_is_wrong),
                cmocka_unit_test(a_load_warns),
                cmocka_unit_test(a_unit_needs_a_pidfd),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
