/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

enum { GRANTED = LOWPORT_GRANTED, DENIED = LOWPORT_RULE_DENIES, NO_RULE = LOWPORT_NO_RULE };

/* "tcp [::]:80", "tcp6 [::]:80" (V6ONLY), "udp 127.0.0.1:53". */
static struct request request(const char *text) {
        struct request request = { .operation = WIRE_OPEN };
        char protocol[8], address[64];
        unsigned port;

        assert_int_equal(sscanf(text, "%7s %63[^ ] %u", protocol, address, &port), 3);
        request.port = (uint16_t)port;
        request.protocol = protocol[0] == 't'   ? IPPROTO_TCP
                           : protocol[0] == 'u' ? IPPROTO_UDP
                                                : IPPROTO_SCTP;
        request.flags = strchr(protocol, '6') != NULL ? LOWPORT_V6ONLY : 0;
        request.address.family = strchr(address, ':') != NULL ? ADDRESS_V6 : ADDRESS_V4;
        assert_int_equal(inet_pton(request.address.family == ADDRESS_V6 ? AF_INET6 : AF_INET,
                                   address,
                                   request.address.bytes),
                         1);
        address_normalise(&request.address); /* as wire_decode() has it */
        return request;
}

static struct verdict judge_with(const char *policy,
                                 const struct compile_facts *facts,
                                 const struct subject *subject,
                                 const char *what) {
        struct fixture_ruleset fixture = fixture_ruleset(policy, facts);
        struct request wanted = request(what);
        struct verdict verdict = decide(&fixture.rules, subject, &wanted);

        fixture_ruleset_done(&fixture);
        return verdict;
}

static const uint32_t alices_groups[] = { 1001, 2001 };

/* User 1001 in groups 1001 and 2001 (www), unit unknown, in the daemon's namespace. */
static const struct subject alice = { .uid = 1001,
                                      .gids = alices_groups,
                                      .n_gids = 2,
                                      .same_netns = true };

static void what_is_granted_to_alice(void **state) {
        static const struct {
                const char *policy, *request;
                int reason;
        } cases[] = {
                { "", "tcp 127.0.0.1 80", NO_RULE },
                { "allow user alice tcp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp 80", "tcp :: 80", GRANTED },
                { "allow user alice tcp 80", "tcp 127.0.0.1 81", NO_RULE },
                { "allow user alice tcp 80", "udp 127.0.0.1 80", NO_RULE },
                { "allow user alice tcp 80", "sctp 127.0.0.1 80", NO_RULE },
                { "allow user alice any 80", "sctp ::1 80", GRANTED },
                { "allow user bob tcp 80", "tcp 127.0.0.1 80", NO_RULE },
                { "allow user alice tcp 80-90", "tcp 127.0.0.1 79", NO_RULE },
                { "allow user alice tcp 80-90", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp 80-90", "tcp 127.0.0.1 90", GRANTED },
                { "allow user alice tcp 80-90", "tcp 127.0.0.1 91", NO_RULE },
                /* who */
                { "allow group www tcp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow group 1001 tcp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow group dns tcp 80", "tcp 127.0.0.1 80", NO_RULE },
                { "allow group www group 1001 tcp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow group www group dns tcp 80", "tcp 127.0.0.1 80", NO_RULE },
                { "allow group dns group www tcp 80", "tcp 127.0.0.1 80", NO_RULE },
                { "allow user alice group www tcp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice group dns tcp 80", "tcp 127.0.0.1 80", NO_RULE },
                { "allow user bob group www tcp 80", "tcp 127.0.0.1 80", NO_RULE },
                { "allow anyone tcp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user nobodyknows tcp 80", "tcp 127.0.0.1 80", NO_RULE },
                { "allow group www group nobodyknows tcp 80", "tcp 127.0.0.1 80", NO_RULE },
                /* families */
                { "allow user alice tcp4 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp4 80", "tcp ::1 80", NO_RULE },
                { "allow user alice tcp6 80", "tcp ::1 80", GRANTED },
                { "allow user alice tcp6 80", "tcp 127.0.0.1 80", NO_RULE },
                /* addresses and prefixes */
                { "allow user alice tcp 127.0.0.1:80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp 127.0.0.1:80", "tcp 127.0.0.2 80", NO_RULE },
                { "allow user alice tcp 127.0.0.0/8:80", "tcp 127.255.0.2 80", GRANTED },
                { "allow user alice tcp 127.0.0.0/8:80", "tcp 128.0.0.1 80", NO_RULE },
                { "allow user alice tcp [2001:db8::]/33:80", "tcp 2001:db8:7fff::1 80", GRANTED },
                { "allow user alice tcp [2001:db8::]/33:80", "tcp 2001:db8:8000::1 80", NO_RULE },
                /* wildcards are exact */
                { "allow user alice tcp 127.0.0.0/8:80", "tcp 0.0.0.0 80", NO_RULE },
                { "allow user alice tcp 0.0.0.0:80", "tcp 0.0.0.0 80", GRANTED },
                { "allow user alice tcp 0.0.0.0:80", "tcp 127.0.0.1 80", NO_RULE },
                { "allow user alice tcp 0.0.0.0/0:80", "tcp 0.0.0.0 80", GRANTED },
                { "allow user alice tcp 0.0.0.0/0:80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp 0.0.0.0/0:80", "tcp ::1 80", NO_RULE },
                { "allow user alice tcp [::1]:80", "tcp6 :: 80", NO_RULE },
                { "allow user alice tcp [::]:80", "tcp6 :: 80", GRANTED },
                { "allow user alice tcp [::]:80", "tcp ::1 80", NO_RULE },
                { "allow user alice tcp [::]/0:80", "tcp ::1 80", GRANTED },
                /* [::] takes 0.0.0.0 as well */
                { "allow user alice tcp [::]:80", "tcp :: 80", NO_RULE },
                { "allow user alice tcp 0.0.0.0:80", "tcp :: 80", NO_RULE },
                { "allow user alice tcp 0.0.0.0:80 [::]:80", "tcp :: 80", GRANTED },
                { "allow user alice tcp6 80\nallow group www tcp4 80", "tcp :: 80", GRANTED },
                { "allow user alice tcp6 80", "tcp :: 80", NO_RULE },
                { "allow user alice tcp6 80", "tcp6 :: 80", GRANTED },
                { "allow user alice tcp4 80", "tcp 0.0.0.0 80", GRANTED },
                { "allow user alice tcp [::]/0:80 127.0.0.0/8:80", "tcp :: 80", NO_RULE },
                /* mapped is IPv4, in rules and in requests */
                { "allow user alice tcp 127.0.0.1:80", "tcp ::ffff:127.0.0.1 80", GRANTED },
                { "allow user alice tcp [::ffff:127.0.0.1]:80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp6 80", "tcp ::ffff:127.0.0.1 80", NO_RULE },
                { "allow user alice tcp [::]/0:80", "tcp ::ffff:127.0.0.1 80", NO_RULE },
                { "allow user alice tcp4 80", "tcp ::ffff:0.0.0.0 80", GRANTED },
                /* a denial wins, wherever it stands and whomever it is about */
                { "allow user alice tcp 80\ndeny user alice tcp 80", "tcp 127.0.0.1 80", DENIED },
                { "deny user alice tcp 80\nallow user alice tcp 80", "tcp 127.0.0.1 80", DENIED },
                { "allow user alice tcp 80\ndeny anyone tcp 80", "tcp 127.0.0.1 80", DENIED },
                { "allow anyone tcp 80\ndeny group www tcp 80", "tcp 127.0.0.1 80", DENIED },
                { "allow user alice tcp 80\ndeny group dns tcp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp 80\ndeny user alice group dns tcp 80",
                  "tcp 127.0.0.1 80",
                  GRANTED },
                { "allow user alice tcp 80\ndeny user bob tcp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp 80\ndeny user alice udp 80", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp 80\ndeny user alice tcp 81", "tcp 127.0.0.1 80", GRANTED },
                { "allow user alice tcp 80\ndeny user alice tcp6 80", "tcp 127.0.0.1 80", GRANTED },
                { "deny user alice tcp 80", "tcp 127.0.0.1 80", DENIED },
                /* and stops the wildcard, which would take the denied address */
                { "allow user alice tcp 80\ndeny user alice tcp 10.0.0.1:80",
                  "tcp 0.0.0.0 80",
                  DENIED },
                { "allow user alice tcp 80\ndeny user alice tcp 10.0.0.1:80",
                  "tcp 10.0.0.1 80",
                  DENIED },
                { "allow user alice tcp 80\ndeny user alice tcp 10.0.0.1:80",
                  "tcp 10.0.0.2 80",
                  GRANTED },
                { "allow user alice tcp 80\ndeny user alice tcp 10.0.0.1:80", "tcp :: 80", DENIED },
                { "allow user alice tcp 80\ndeny user alice tcp 10.0.0.1:80",
                  "tcp6 :: 80",
                  GRANTED },
                { "allow user alice tcp 80\ndeny user alice tcp [::1]:80", "tcp6 :: 80", DENIED },
                { "allow user alice tcp 80\ndeny user alice tcp [::1]:80",
                  "tcp 0.0.0.0 80",
                  GRANTED },
                { "allow user alice tcp 80\ndeny user alice tcp 10.0.0.1:81",
                  "tcp 0.0.0.0 80",
                  GRANTED },
                { "allow user alice tcp 80\ndeny user alice tcp 0.0.0.0:80",
                  "tcp 127.0.0.1 80",
                  GRANTED },
                { "allow user alice tcp 80\ndeny user alice tcp4 80", "tcp :: 80", DENIED },
        };

        (void)state;
        for (size_t i = 0; i < LENGTH(cases); i++) {
                struct verdict verdict =
                        judge_with(cases[i].policy, &fixture_facts, &alice, cases[i].request);

                if ((int)verdict.reason != cases[i].reason)
                        fail_msg("%s\n%s: %d, expected %d",
                                 cases[i].policy,
                                 cases[i].request,
                                 verdict.reason,
                                 cases[i].reason);
        }
}

static void the_first_rule_is_named(void **state) {
        static const char policy[] = "allow anyone tcp 80\n"
                                     "allow user alice tcp 80-90\n"
                                     "allow group www tcp 80\n"
                                     "deny group www tcp 90\n"
                                     "deny user alice tcp 90\n";
        struct verdict verdict;

        (void)state;
        verdict = judge_with(policy, &fixture_facts, &alice, "tcp 127.0.0.1 80");
        assert_int_equal(verdict.rule, 0);
        verdict = judge_with(policy, &fixture_facts, &alice, "tcp 127.0.0.1 85");
        assert_int_equal(verdict.rule, 1);
        verdict = judge_with(policy, &fixture_facts, &alice, "tcp 127.0.0.1 90");
        assert_int_equal(verdict.rule, 3);
        verdict = judge_with(policy, &fixture_facts, &alice, "tcp 127.0.0.1 99");
        assert_int_equal(verdict.rule, RULESET_NONE);
}

static void the_missing_family_is_named(void **state) {
        struct verdict verdict;

        (void)state;
        verdict = judge_with("allow user alice tcp6 80", &fixture_facts, &alice, "tcp :: 80");
        assert_int_equal(verdict.family, ADDRESS_V4);
        verdict = judge_with("allow user alice tcp4 80", &fixture_facts, &alice, "tcp :: 80");
        assert_int_equal(verdict.family, ADDRESS_V6);
        verdict = judge_with("allow user alice tcp 80", &fixture_facts, &alice, "tcp :: 80");
        assert_int_equal(verdict.family, 0);
}

static void ports_end_at_the_highest_low_one(void **state) {
        struct compile_facts facts = fixture_facts;
        const char *policy = "allow user alice tcp 1-65535";

        (void)state;
        assert_int_equal(judge_with(policy, &facts, &alice, "tcp ::1 0").reason,
                         LOWPORT_NOT_LOW_PORT);
        assert_int_equal(judge_with(policy, &facts, &alice, "tcp ::1 1").reason, GRANTED);
        assert_int_equal(judge_with(policy, &facts, &alice, "tcp ::1 1023").reason, GRANTED);
        assert_int_equal(judge_with(policy, &facts, &alice, "tcp ::1 1024").reason,
                         LOWPORT_NOT_LOW_PORT);
        facts.port_max = 2047;
        assert_int_equal(judge_with(policy, &facts, &alice, "tcp ::1 2047").reason, GRANTED);
        assert_int_equal(judge_with(policy, &facts, &alice, "tcp ::1 2048").reason,
                         LOWPORT_NOT_LOW_PORT);
        facts.port_max = 65535;
        assert_int_equal(judge_with(policy, &facts, &alice, "tcp ::1 65535").reason, GRANTED);
}

static void unmapped_peers_match_no_rule(void **state) {
        const char *policy = "allow anyone tcp 80\nallow user 65534 tcp 80";
        struct compile_facts facts = fixture_facts;
        struct subject nobody = { .uid = 65534, .same_netns = true };

        (void)state;
        /* Where every uid is mapped, 65534 is a user like others. */
        assert_int_equal(judge_with(policy, &facts, &nobody, "tcp ::1 80").reason, GRANTED);
        facts.overflow_uid = 65534;
        assert_int_equal(judge_with(policy, &facts, &nobody, "tcp ::1 80").reason,
                         LOWPORT_UNMAPPED_USER);
        assert_int_equal(judge_with(policy, &facts, &alice, "tcp ::1 80").reason, GRANTED);
}

static void unmapped_groups_match_no_rule(void **state) {
        const uint32_t gids[] = { 2001, 65534 };
        struct subject subject = { .uid = 1001, .gids = gids, .n_gids = 2, .same_netns = true };
        struct compile_facts facts = fixture_facts;
        const char *const policies[] = {
                "allow group 65534 tcp 80",
                "allow group www group 65534 tcp 80",
                "allow user alice group 65534 tcp 80",
        };

        (void)state;
        for (size_t i = 0; i < LENGTH(policies); i++) {
                facts.overflow_gid = RULESET_NONE;
                assert_int_equal(judge_with(policies[i], &facts, &subject, "tcp ::1 80").reason,
                                 GRANTED);
                facts.overflow_gid = 65534;
                assert_int_equal(judge_with(policies[i], &facts, &subject, "tcp ::1 80").reason,
                                 NO_RULE);
        }
        /* The peer's other groups go on to count. */
        assert_int_equal(
                judge_with("allow group www tcp 80", &facts, &subject, "tcp ::1 80").reason,
                GRANTED);
}

static void namespaces(void **state) {
        struct subject away = alice;
        struct verdict verdict;

        (void)state;
        away.same_netns = false;
        verdict = judge_with("allow user alice tcp 80", &fixture_facts, &away, "tcp ::1 80");
        assert_int_equal(verdict.reason, LOWPORT_OTHER_NETNS);
        verdict = judge_with("allow user alice tcp 80", &fixture_facts, &away, "tcp ::1 81");
        assert_int_equal(verdict.reason, NO_RULE);
        verdict = judge_with(
                "allow user alice tcp 80 netns any", &fixture_facts, &away, "tcp ::1 80");
        assert_int_equal(verdict.reason, GRANTED);
        verdict = judge_with(
                "allow user alice tcp 80 netns any", &fixture_facts, &alice, "tcp ::1 80");
        assert_int_equal(verdict.reason, GRANTED);
        verdict = judge_with("allow user alice tcp 80\nallow group www tcp 80 netns any",
                             &fixture_facts,
                             &away,
                             "tcp ::1 80");
        assert_int_equal(verdict.reason, GRANTED);
        assert_int_equal(verdict.rule, 1);
        /* A denial holds everywhere. */
        verdict = judge_with("allow user alice tcp 80 netns any\ndeny user alice tcp 80",
                             &fixture_facts,
                             &away,
                             "tcp ::1 80");
        assert_int_equal(verdict.reason, DENIED);
}

static void units(void **state) {
        static const struct {
                const char *glob, *unit;
                bool matches;
        } cases[] = {
                { "nginx.service", "nginx.service", true },
                { "nginx.service", "nginx.servic", false },
                { "nginx.service", "nginx.service2", false },
                { "nginx.service", "Nginx.service", false },
                { "app@*.service", "app@1.service", true },
                { "app@*.service", "app@.service", true },
                { "app@*.service", "app@a.b.service", true },
                { "app@*.service", "app@1.scope", false },
                { "app@*.service", "xapp@1.service", false },
                { "*", "anything.scope", true },
                { "*.service", "a.service", true },
                { "*.service", "a.service.d", false },
                { "a*b*.service", "aXbYb.service", true },
                { "a*b*.service", "ab.service", true },
                { "a*b*.service", "ac.service", false },
                { "**.service", "a.service", true },
                { "a*", "a", true },
                { "*a*a*a*.service",
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab.scope",
                  false },
                { "dev-\\x2d.service", "dev-\\x2d.service", true },
        };

        (void)state;
        for (size_t i = 0; i < LENGTH(cases); i++) {
                struct subject subject = alice;
                char policy[128];

                snprintf(policy, sizeof(policy), "allow user alice unit %s tcp 80", cases[i].glob);
                subject.unit = cases[i].unit;
                if ((judge_with(policy, &fixture_facts, &subject, "tcp ::1 80").reason ==
                     LOWPORT_GRANTED) != cases[i].matches)
                        fail_msg("%s, %s", cases[i].glob, cases[i].unit);
        }
}

static void an_unknown_unit_matches_nothing(void **state) {
        struct verdict verdict;

        (void)state;
        verdict =
                judge_with("allow user alice unit * tcp 80", &fixture_facts, &alice, "tcp ::1 80");
        assert_int_equal(verdict.reason, NO_RULE);
        assert_true(verdict.wants_unit);
        verdict =
                judge_with("allow user alice unit * tcp 80", &fixture_facts, &alice, "tcp ::1 81");
        assert_false(verdict.wants_unit);
        verdict = judge_with("allow user alice tcp 80\ndeny user alice unit * tcp 80",
                             &fixture_facts,
                             &alice,
                             "tcp ::1 80");
        assert_int_equal(verdict.reason, GRANTED);
        assert_true(verdict.wants_unit);
        /* Also when it is only the IPv6 half that hangs on it. */
        verdict = judge_with("allow user alice tcp 80\nallow user alice unit * tcp6 80",
                             &fixture_facts,
                             &alice,
                             "tcp :: 80");
        assert_int_equal(verdict.reason, GRANTED);
        assert_true(verdict.wants_unit);
        verdict = judge_with("allow user bob unit * tcp 80", &fixture_facts, &alice, "tcp ::1 80");
        assert_false(verdict.wants_unit);
}

/* Scattered, so that some meet in the table: neighbours never do. */
static uint32_t scattered(uint32_t n) {
        n = (n ^ n >> 16) * 0x7feb352dU;
        n = (n ^ n >> 15) * 0x846ca68bU;
        return n ^ n >> 16;
}

/* Other subjects' rules are neither found nor passed by. */
static void many_subjects(void **state) {
        static char policy[200 * 1000];
        size_t used = 0;
        struct fixture_ruleset fixture;

        (void)state;
        for (uint32_t i = 0; i < 5000; i++)
                used += (size_t)snprintf(policy + used,
                                         sizeof(policy) - used,
                                         "allow user %u tcp %u\n",
                                         scattered(i),
                                         1 + i % 1000);
        fixture = fixture_ruleset(policy, &fixture_facts);
        for (uint32_t i = 0; i < 5100; i++) {
                struct subject subject = { .uid = scattered(i), .same_netns = true };
                struct request wanted = request("tcp ::1 1");
                struct verdict verdict;

                wanted.port = (uint16_t)(1 + i % 1000);
                verdict = decide(&fixture.rules, &subject, &wanted);
                assert_int_equal(verdict.reason, i < 5000 ? GRANTED : NO_RULE);
                if (i < 5000)
                        assert_int_equal(verdict.rule, i);
                wanted.port++;
                verdict = decide(&fixture.rules, &subject, &wanted);
                assert_int_equal(verdict.reason, NO_RULE);
        }
        fixture_ruleset_done(&fixture);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_granted_to_alice),
                cmocka_unit_test(the_first_rule_is_named),
                cmocka_unit_test(the_missing_family_is_named),
                cmocka_unit_test(ports_end_at_the_highest_low_one),
                cmocka_unit_test(unmapped_peers_match_no_rule),
                cmocka_unit_test(unmapped_groups_match_no_rule),
                cmocka_unit_test(namespaces),
                cmocka_unit_test(units),
                cmocka_unit_test(an_unknown_unit_matches_nothing),
                cmocka_unit_test(many_subjects),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
