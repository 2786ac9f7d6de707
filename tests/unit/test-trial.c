/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy/inquiry.h"
#include "policy/suggest.h"
#include "policy/trial.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct request
request(uint8_t protocol, const char *address, uint16_t port, uint32_t flags) {
        struct request request = { .protocol = protocol, .port = port, .flags = flags };

        request.address.family = strchr(address, ':') != NULL ? ADDRESS_V6 : ADDRESS_V4;
        assert_int_equal(inet_pton(request.address.family == ADDRESS_V6 ? AF_INET6 : AF_INET,
                                   address,
                                   request.address.bytes),
                         1);
        return request;
}

static const struct subject alice = { .uid = 1001, .same_netns = true };

static struct trial
try_as(const struct policy *policy, const struct subject *subject, const struct request *wanted) {
        struct trial trial;

        assert_int_equal(trial_run(policy, &fixture_facts, subject, wanted, &trial), 0);
        return trial;
}

/* What is suggested is granted by itself, and says no more than the request. */
static void suggestions_grant(void **state) {
        static const struct {
                uint8_t protocol;
                const char *address;
                uint32_t flags;
                const char *rule;
        } cases[] = {
                { IPPROTO_TCP, "::", 0, "allow user alice tcp 443" },
                { IPPROTO_TCP, "::", LOWPORT_V6ONLY, "allow user alice tcp6 443" },
                { IPPROTO_TCP, "0.0.0.0", 0, "allow user alice tcp4 443" },
                { IPPROTO_UDP, "0.0.0.0", 0, "allow user alice udp4 443" },
                { IPPROTO_UDP, "::", 0, "allow user alice udp 443" },
                { IPPROTO_SCTP, "::", 0, "allow user alice sctp 443" },
                { IPPROTO_SCTP, "::", LOWPORT_V6ONLY, "allow user alice sctp [::]/0:443" },
                { IPPROTO_SCTP, "0.0.0.0", 0, "allow user alice sctp 0.0.0.0/0:443" },
                { IPPROTO_TCP, "127.0.0.1", 0, "allow user alice tcp 127.0.0.1:443" },
                { IPPROTO_UDP, "::1", 0, "allow user alice udp [::1]:443" },
                { IPPROTO_TCP, "fe80::1", LOWPORT_V6ONLY, "allow user alice tcp [fe80::1]:443" },
        };

        (void)state;
        for (size_t i = 0; i < LENGTH(cases); i++) {
                struct request wanted =
                        request(cases[i].protocol, cases[i].address, 443, cases[i].flags);
                struct policy *policy;
                char rule[128];

                suggest_rule("user alice", &wanted, rule, sizeof(rule));
                assert_string_equal(rule, cases[i].rule);
                policy = fixture_policy(rule);
                assert_int_equal(try_as(policy, &alice, &wanted).reason, LOWPORT_GRANTED);
                wanted.port = 444;
                assert_int_equal(try_as(policy, &alice, &wanted).reason, LOWPORT_NO_RULE);
                policy_free(policy);
        }
}

static void near_misses(void **state) {
        static const struct {
                const char *rule, *why;
        } cases[] = {
                { "allow user alice tcp 81", "another port" },
                { "allow user alice tcp 81-90,100", "another port" },
                { "allow user alice udp 80", "another protocol" },
                { "allow user alice udp 81", "another protocol, another port" },
                { "allow user alice tcp 127.0.0.1:80 [::1]:80", "another address" },
                { "allow user alice tcp6 80", "only IPv6, but [::] takes IPv4 as well" },
                { "allow user alice tcp 0.0.0.0:80", "only IPv4, but [::] takes IPv6 as well" },
                { "allow user alice unit a.service tcp 80", "only in that unit" },
                { "allow user alice unit a.service tcp 81", "another port, only in that unit" },
                { "allow user bob tcp 80", NULL },
                { "allow group www tcp 80", NULL },
                { "allow user alice group www tcp 80", NULL },
                { "allow user nobodyknows tcp 80", NULL },
                { "deny user alice tcp 81", NULL },
                { "allow user alice unit a.service udp 81", NULL }, /* too far off */
        };
        struct request wanted = request(IPPROTO_TCP, "::", 80, 0);

        (void)state;
        for (size_t i = 0; i < LENGTH(cases); i++) {
                struct policy *policy = fixture_policy(cases[i].rule);
                struct trial trial = try_as(policy, &alice, &wanted);
                char why[256];

                if (cases[i].why == NULL) {
                        assert_int_equal(trial.n_near, 0);
                } else {
                        assert_int_equal(trial.n_near, 1);
                        near_describe(&trial.near[0], why, sizeof(why));
                        assert_string_equal(why, cases[i].why);
                }
                policy_free(policy);
        }
}

static void the_nearest_come_first(void **state) {
        struct policy *policy = fixture_policy("allow user alice udp 1\n"
                                               "allow user alice udp 2\n"
                                               "allow user alice tcp 3\n"
                                               "allow user alice udp 4\n"
                                               "allow user alice udp 5\n"
                                               "allow user alice udp 6\n"
                                               "allow user alice tcp 7\n");
        static const uint32_t lines[] = { 3, 7, 1, 2, 4 };
        struct request wanted = request(IPPROTO_TCP, "::", 80, 0);
        struct trial trial = try_as(policy, &alice, &wanted);

        (void)state;
        assert_int_equal(trial.n_near, TRIAL_NEAR_MAX);
        for (size_t i = 0; i < LENGTH(lines); i++)
                assert_int_equal(trial.near[i].rule->line, lines[i]);
        policy_free(policy);
}

static void namespaces_and_units(void **state) {
        struct policy *policy = fixture_policy("allow user alice unit a*.service tcp 80");
        struct request wanted = request(IPPROTO_TCP, "::", 80, 0);
        struct subject subject = alice;
        struct trial trial;

        (void)state;
        trial = try_as(policy, &subject, &wanted);
        assert_int_equal(trial.reason, LOWPORT_NO_RULE);
        assert_true(trial.wants_unit);
        subject.unit = "ab.service";
        assert_int_equal(try_as(policy, &subject, &wanted).reason, LOWPORT_GRANTED);
        subject.same_netns = false;
        trial = try_as(policy, &subject, &wanted);
        assert_int_equal(trial.reason, LOWPORT_OTHER_NETNS);
        assert_int_equal(trial.near[0].why, NEAR_NETNS);
        policy_free(policy);
}

static void the_rules_that_decided(void **state) {
        struct policy *policy = fixture_policy("allow user alice tcp6 80\n"
                                               "allow user alice tcp4 80\n"
                                               "allow user alice tcp 81\n"
                                               "deny anyone tcp 82\n"
                                               "allow user alice tcp 82\n");
        struct request wanted = request(IPPROTO_TCP, "::", 80, 0);
        struct trial trial;

        (void)state;
        trial = try_as(policy, &alice, &wanted);
        assert_int_equal(trial.rule->line, 1);
        assert_int_equal(trial.rule4->line, 2);
        wanted.port = 81;
        trial = try_as(policy, &alice, &wanted);
        assert_int_equal(trial.rule->line, 3);
        assert_null(trial.rule4);
        wanted.port = 82;
        trial = try_as(policy, &alice, &wanted);
        assert_int_equal(trial.reason, LOWPORT_RULE_DENIES);
        assert_int_equal(trial.rule->line, 4);
        assert_int_equal(trial.near[0].rule->line, 5);
        assert_int_equal(trial.near[0].why, 0);
        wanted.port = 83;
        assert_null(try_as(policy, &alice, &wanted).rule);
        policy_free(policy);
}

static void nobody_in_particular(void **state) {
        struct policy *policy = fixture_policy("allow user 4294967294 tcp 80\n"
                                               "allow user 4294967292 tcp 80\n");
        struct compile_facts facts = fixture_facts;

        (void)state;
        facts.overflow_uid = 4294967293;
        assert_int_equal(trial_spare_uid(policy, &facts), 4294967291);
        policy_free(policy);
}

static struct inquiry inquire(const char *const *words, size_t n) {
        struct inquiry inquiry;
        char error[256] = "";

        if (inquiry_parse(words, n, &inquiry, error, sizeof(error)) != 0)
                fail_msg("%s", error);
        return inquiry;
}

static void subjects_in_words(void **state) {
        const char *const all[] = { "user", "0",    "group",     "7",     "group",
                                    "8",    "unit", "a.service", "netns", "other" };
        const char *const groups_first[] = { "group", "7", "user", "0" };
        struct inquiry inquiry = inquire(all, LENGTH(all));
        struct subject subject = inquiry_subject(&inquiry, 4711);

        (void)state;
        assert_int_equal(subject.uid, 0);
        assert_int_equal(subject.n_gids, 2);
        assert_int_equal(subject.gids[1], 8);
        assert_string_equal(subject.unit, "a.service");
        assert_false(subject.same_netns);
        assert_string_equal(inquiry.who, "user 0 group 7 group 8 unit a.service");
        inquiry_done(&inquiry);

        inquiry = inquire(groups_first, 4);
        subject = inquiry_subject(&inquiry, 4711);
        assert_int_equal(subject.uid, 0);
        assert_int_equal(subject.n_gids, 1);
        assert_int_equal(subject.gids[0], 7);
        inquiry_done(&inquiry);

        inquiry = inquire(groups_first, 2);
        assert_int_equal(inquiry_subject(&inquiry, 4711).uid, 4711);
        inquiry_done(&inquiry);

        inquiry = inquire(all, 2); /* root, with the groups that root has */
        assert_true(inquiry_subject(&inquiry, 4711).n_gids > 0);
        assert_true(inquiry_subject(&inquiry, 4711).same_netns);
        inquiry_done(&inquiry);
}

static void words_that_say_nothing(void **state) {
        static const char *const cases[][4] = {
                { "user", "no-such-user-here", NULL },
                { "group", "no-such-group-here", NULL },
                { "user", "0", "user", "1" },
                { "unit", "a", "unit", "b" },
                { "netns", "any", NULL },
                { "colour", "blue", NULL },
                { "user", NULL },
        };

        (void)state;
        for (size_t i = 0; i < LENGTH(cases); i++) {
                struct inquiry inquiry;
                char error[256] = "";
                size_t n = 0;

                while (n < 4 && cases[i][n] != NULL)
                        n++;
                assert_int_not_equal(inquiry_parse(cases[i], n, &inquiry, error, sizeof(error)), 0);
                assert_string_not_equal(error, "");
        }
}

/* The effective group need not be one of the supplementary ones. */
static void the_caller(void **state) {
        struct inquiry inquiry;
        struct subject subject;
        bool found = false;

        (void)state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(setegid(4711), 0);
        assert_int_equal(inquiry_of_caller(&inquiry), 0);
        assert_int_equal(setegid(getgid()), 0);
        subject = inquiry_subject(&inquiry, 1);
        assert_int_equal(subject.uid, 0);
        for (size_t i = 0; i < subject.n_gids; i++)
                found = found || subject.gids[i] == 4711;
        assert_true(found);
        inquiry_done(&inquiry);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(suggestions_grant),
                cmocka_unit_test(near_misses),
                cmocka_unit_test(the_nearest_come_first),
                cmocka_unit_test(namespaces_and_units),
                cmocka_unit_test(the_rules_that_decided),
                cmocka_unit_test(nobody_in_particular),
                cmocka_unit_test(subjects_in_words),
                cmocka_unit_test(words_that_say_nothing),
                cmocka_unit_test(the_caller),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
