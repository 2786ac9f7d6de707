/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/lexer.h"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* A rule as text again, in the one form that says everything. */
static void describe(const struct policy *policy, size_t n, char *ret, size_t size) {
        const struct rule *rule = &policy->rules[n];
        FILE *out = fmemopen(ret, size, "w");

        assert_non_null(out);
        fprintf(out, "%u:%u %s", rule->line, rule->column, rule->allow ? "allow" : "deny");
        if (rule->user.at != NULL && rule->user_known)
                fprintf(out, " u%u", rule->uid);
        else if (rule->user.at != NULL)
                fprintf(out, " u?");
        for (uint32_t i = 0; i < rule->n_groups; i++) {
                const struct rule_group *group = &policy->groups[rule->first_group + i];

                fprintf(out, group->known ? " g%u" : " g?", group->gid);
        }
        if (rule->unit.at != NULL)
                fprintf(out, " unit=%.*s", TEXT(rule->unit));
        if (rule->anyone)
                fprintf(out, " anyone");
        for (uint32_t i = 0; i < rule->n_items; i++) {
                const struct item *item = &policy->items[rule->first_item + i];

                fprintf(out, " %02x", item->protocols);
                if (item->family != 0) {
                        fprintf(out, "@%u/%u=", item->family, item->prefix_length);
                        for (int b = 0; b < (item->family == 4 ? 4 : 16); b++)
                                fprintf(out, "%02x", item->address[b]);
                }
                fprintf(out, ":%u-%u", item->low, item->high);
        }
        fprintf(out, "%s", rule->netns_any ? " netns" : "");
        fclose(out);
}

static const struct {
        const char *text, *expected;
} good[] = {
        { "allow user alice tcp 80", "1:1 allow u1001 03:80-80" },
        { "deny user alice tcp 80", "1:1 deny u1001 03:80-80" },
        { "allow user 0 tcp 80", "1:1 allow u0 03:80-80" },
        { "allow user 4294967294 tcp 80", "1:1 allow u4294967294 03:80-80" },
        { "allow group www tcp 80", "1:1 allow g2001 03:80-80" },
        { "allow group 7 group dns tcp 80", "1:1 allow g7 g2002 03:80-80" },
        { "allow user alice group www unit a.service tcp 80",
          "1:1 allow u1001 g2001 unit=a.service 03:80-80" },
        { "allow unit app@*.service user alice tcp 80",
          "1:1 allow u1001 unit=app@*.service 03:80-80" },
        { "allow unit * tcp 80", "1:1 allow unit=* 03:80-80" },
        { "allow anyone tcp 80", "1:1 allow anyone 03:80-80" },
        { "allow anyone unit a.scope tcp 80", "1:1 allow unit=a.scope anyone 03:80-80" },
        { "allow unit dev\\x2d1.service anyone tcp 80",
          "1:1 allow unit=dev\\x2d1.service anyone 03:80-80" },
        /* protocols */
        { "allow anyone tcp4 1", "1:1 allow anyone 01:1-1" },
        { "allow anyone tcp6 1", "1:1 allow anyone 02:1-1" },
        { "allow anyone udp 1", "1:1 allow anyone 0c:1-1" },
        { "allow anyone udp4 1", "1:1 allow anyone 04:1-1" },
        { "allow anyone udp6 1", "1:1 allow anyone 08:1-1" },
        { "allow anyone sctp 1", "1:1 allow anyone 30:1-1" },
        { "allow anyone any 1", "1:1 allow anyone 3f:1-1" },
        { "allow anyone tcp,udp 1", "1:1 allow anyone 0f:1-1" },
        { "allow anyone tcp , udp 1", "1:1 allow anyone 0f:1-1" },
        { "allow anyone tcp4,udp6,sctp 1", "1:1 allow anyone 39:1-1" },
        { "allow anyone tcp 1 udp 2", "1:1 allow anyone 03:1-1 0c:2-2" },
        { "allow anyone tcp 1,2 udp 3", "1:1 allow anyone 03:1-1 03:2-2 0c:3-3" },
        /* ports */
        { "allow anyone tcp 1,2 , 3 4", "1:1 allow anyone 03:1-1 03:2-2 03:3-3 03:4-4" },
        { "allow anyone tcp 1-1023", "1:1 allow anyone 03:1-1023" },
        { "allow anyone tcp 80-80", "1:1 allow anyone 03:80-80" },
        { "allow anyone tcp 1-65535", "1:1 allow anyone 03:1-65535" },
        { "allow anyone tcp http,https udp https",
          "1:1 allow anyone 03:80-80 03:443-443 0c:443-443" },
        { "allow anyone tcp,udp domain", "1:1 allow anyone 0f:53-53" },
        { "allow anyone any http", "1:1 allow anyone 03:80-80" },
        { "allow anyone any domain", "1:1 allow anyone 0f:53-53" },
        { "allow anyone tcp,udp split", "1:1 allow anyone 03:101-101 0c:102-102" },
        { "allow anyone tcp6 http", "1:1 allow anyone 02:80-80" },
        { "allow anyone any,tcp http", "1:1 allow anyone 03:80-80" },
        /* addresses */
        { "allow anyone tcp 127.0.0.1:53", "1:1 allow anyone 01@4/32=7f000001:53-53" },
        { "allow anyone tcp4 127.0.0.1:53", "1:1 allow anyone 01@4/32=7f000001:53-53" },
        { "allow anyone any 127.0.0.1:1-1023", "1:1 allow anyone 15@4/32=7f000001:1-1023" },
        { "allow anyone tcp 0.0.0.0:80", "1:1 allow anyone 01@4/32=00000000:80-80" },
        { "allow anyone tcp 0.0.0.0/0:80", "1:1 allow anyone 01@4/0=00000000:80-80" },
        { "allow anyone tcp 10.0.0.0/8:http", "1:1 allow anyone 01@4/8=0a000000:80-80" },
        { "allow anyone tcp 127.0.0.1:53 [::1]:53",
          "1:1 allow anyone 01@4/32=7f000001:53-53 "
          "02@6/128=00000000000000000000000000000001:53-53" },
        { "allow anyone tcp 127.0.0.1:80,127.0.0.1:443",
          "1:1 allow anyone 01@4/32=7f000001:80-80 01@4/32=7f000001:443-443" },
        { "allow anyone tcp 127.0.0.1:80 443",
          "1:1 allow anyone 01@4/32=7f000001:80-80 03:443-443" },
        { "allow anyone tcp 443,127.0.0.1:80",
          "1:1 allow anyone 03:443-443 01@4/32=7f000001:80-80" },
        { "allow anyone tcp 127.0.0.1:80 443,444",
          "1:1 allow anyone 01@4/32=7f000001:80-80 03:443-443 03:444-444" },
        { "allow anyone tcp [2001:db8::]/32:80",
          "1:1 allow anyone 02@6/32=20010db8000000000000000000000000:80-80" },
        { "allow anyone tcp [2001:db8::/32]:80",
          "1:1 allow anyone 02@6/32=20010db8000000000000000000000000:80-80" },
        { "allow anyone tcp [::]:80",
          "1:1 allow anyone 02@6/128=00000000000000000000000000000000:80-80" },
        { "allow anyone tcp [::]/0:80",
          "1:1 allow anyone 02@6/0=00000000000000000000000000000000:80-80" },
        { "allow anyone tcp [::ffff:127.0.0.1]:80", "1:1 allow anyone 01@4/32=7f000001:80-80" },
        { "allow anyone tcp [::ffff:10.0.0.0]/104:80", "1:1 allow anyone 01@4/8=0a000000:80-80" },
        { "allow anyone tcp [::ffff:0:0]/96:80", "1:1 allow anyone 01@4/0=00000000:80-80" },
        { "allow anyone tcp4 [::ffff:10.0.0.1]:80", "1:1 allow anyone 01@4/32=0a000001:80-80" },
        { "allow anyone tcp,udp split 127.0.0.1:split",
          "1:1 allow anyone 03:101-101 0c:102-102 01@4/32=7f000001:101-101 "
          "04@4/32=7f000001:102-102" },
        /* the end, and the lines */
        { "allow anyone tcp 80 netns any", "1:1 allow anyone 03:80-80 netns" },
        { "allow anyone tcp 80 # the web", "1:1 allow anyone 03:80-80" },
        { "allow anyone tcp 80# the web", "1:1 allow anyone 03:80-80" },
        { "  \tallow\tanyone tcp 80  \t", "1:4 allow anyone 03:80-80" },
        { "\n# a comment\n\n allow anyone tcp 80\n", "4:2 allow anyone 03:80-80" },
        { "\r\nallow anyone tcp 80\r\n", "2:1 allow anyone 03:80-80" },
        { "# caf\xc3\xa9\nallow anyone tcp 80", "2:1 allow anyone 03:80-80" },
        { "allow user nobodyknows tcp 80", "1:1 allow u? 03:80-80" },
        { "allow group nobodyknows group www tcp 80", "1:1 allow g? g2001 03:80-80" },
        { "allow user tcp tcp 80", "1:1 allow u? 03:80-80" },
};

static void good_rules(void **state) {
        (void)state;
        for (size_t i = 0; i < LENGTH(good); i++) {
                struct policy *policy = fixture_policy(good[i].text);
                char text[512];

                assert_int_equal(policy->n_rules, 1);
                describe(policy, 0, text, sizeof(text));
                assert_string_equal(text, good[i].expected);
                policy_free(policy);
        }
}

/* The column of what is wrong, and a part of what is said of it. */
static const struct {
        const char *text;
        uint32_t column;
        const char *says;
} bad[] = {
        { "permit user alice tcp 80", 1, "unknown action 'permit'; expected allow or deny" },
        { ", allow anyone tcp 80", 1, "unknown action ','" },
        { "Allow anyone tcp 80", 1, "unknown action 'Allow'" },
        { "allow", 6, "nothing says who; expected user, group, unit or anyone" },
        { "allow tcp 80", 7, "nothing says who" },
        { "allow alice tcp 80", 7, "nothing says who" },
        { "allow user", 11, "nothing here; expected a user name or a uid" },
        { "allow user , tcp 80", 12, "nothing here; expected a user name" },
        { "allow group", 12, "nothing here; expected a group name or a gid" },
        { "allow anyone unit", 18, "nothing here; expected a unit" },
        { "allow user alice", 17, "no protocol; expected tcp, tcp4" },
        { "allow user alice,bob tcp 80", 17, "a comma; expected one name" },
        { "allow user alice user bob tcp 80", 18, "a second user" },
        { "allow user alice anyone tcp 80", 18, "anyone beside a user or group" },
        { "allow anyone group www tcp 80", 14, "anyone beside a user or group" },
        { "allow anyone anyone tcp 80", 14, "a second 'anyone'" },
        { "allow unit a.service unit b.service tcp 80", 22, "a second unit" },
        { "allow unit nginx tcp 80", 12, "expected nginx.service, say" },
        { "allow unit a[bc].service tcp 80", 12, "is no unit name" },
        { "allow unit a/b.service tcp 80", 12, "is no unit name" },
        { "allow user 4294967295 tcp 80", 12, "user 4294967295 is out of range; expected 0 to " },
        { "allow group 99999999999999999999 tcp 80", 13, "is out of range" },
        { "allow user 0100 tcp 80", 12, "has a leading zero" },
        { "deny user nobodyknows tcp 80",
          11,
          "unknown user 'nobodyknows'; expected a name that "
          "getent passwd knows, or a uid" },
        { "deny group nobodyknows tcp 80",
          12,
          "unknown group 'nobodyknows'; expected a name that "
          "getent group knows, or a gid" },
        { "deny group www group nobodyknows tcp 80", 22, "unknown group" },
        /* protocols */
        { "allow anyone 80", 14, "unknown protocol '80'" },
        { "allow anyone TCP 80", 14, "unknown protocol 'TCP'" },
        { "allow anyone tcp:80", 14, "unknown protocol 'tcp:80'" },
        { "allow anyone tcp, 80", 19, "unknown protocol '80'" },
        { "allow anyone tcp,", 18, "no protocol" },
        { "allow anyone sctp4 80", 14, "unknown protocol 'sctp4'" },
        /* lists */
        { "allow anyone tcp", 17, "no port; expected a port, LOW-HIGH, a service name" },
        { "allow anyone tcp udp 80", 18, "no port" },
        { "allow anyone tcp netns any", 18, "no port" },
        { "allow anyone tcp ,80", 19, "unknown protocol '80'" },
        { "allow anyone tcp 80,", 21, "no port" },
        { "allow anyone tcp 80,,81", 21, "no port" },
        { "allow anyone tcp 80, udp 53", 22, "'udp' after a comma" },
        { "allow anyone tcp 80, netns any", 22, "'netns' after a comma" },
        { "allow anyone tcp 80 user alice", 21, "unknown service 'user'" },
        /* ports */
        { "allow anyone tcp 0", 18, "port 0 is never granted; expected 1 to 65535" },
        { "allow anyone tcp 0-80", 18, "port 0 is never granted" },
        { "allow anyone tcp 65536", 18, "port 65536 is out of range; expected 1 to 65535" },
        { "allow anyone tcp 1-65536", 20, "port 65536 is out of range" },
        { "allow anyone tcp 080", 18, "port '080' has a leading zero" },
        { "allow anyone tcp 90-80", 18, "the range 90-80 is reversed; expected 80-90" },
        { "allow anyone tcp 80-", 21, "a range with an end missing" },
        { "allow anyone tcp -80", 18, "a range with an end missing" },
        { "allow anyone tcp 1-2-3", 20, "a range with an end missing, or with too many" },
        { "allow anyone tcp nosuch", 18, "unknown service 'nosuch' in tcp; expected a port" },
        { "allow anyone tcp,udp http", 22, "unknown service 'http' in udp" },
        { "allow anyone any nosuch", 18, "unknown service 'nosuch'; expected a port" },
        { "allow anyone any,udp http", 22, "unknown service 'http' in udp" },
        { "allow anyone tcp nodatabase", 18, "write the number" },
        { "allow anyone tcp 80/tcp", 18, "unknown service '80/tcp'" },
        { "allow anyone tcp 80 netns", 26, "no such netns; expected 'netns any'" },
        { "allow anyone tcp 80 netns other", 27, "no such netns; expected 'netns any'" },
        { "allow anyone tcp 80 netns any 81", 31, "'81' after the end of the rule" },
        { "allow anyone tcp 80 netns any netns any", 31, "'netns' after the end of the rule" },
        { "allow anyone tcp 80 netns any,", 30, "',' after the end of the rule" },
        /* addresses */
        { "allow anyone tcp 127.0.0.1", 18, "no port after '127.0.0.1'; expected 127.0.0.1:PORT" },
        { "allow anyone tcp 10.0.0.0/8", 18, "no port after '10.0.0.0/8'" },
        { "allow anyone tcp [::1]", 23, "no port after '[::1]'; expected [::1]:PORT" },
        { "allow anyone tcp [::1]80", 23, "'80' after ']'; expected ':' and a port" },
        { "allow anyone tcp [::1", 18, "'[' without ']'" },
        { "allow anyone tcp ::1:53", 18, "without brackets; expected [ADDRESS]:PORT" },
        { "allow anyone tcp 127.0.0.1:", 28, "no port after ':'" },
        { "allow anyone tcp 127.0.0.1:0", 28, "port 0 is never granted" },
        { "allow anyone tcp 127.0.0.1:90-80", 28, "is reversed" },
        { "allow anyone tcp :80", 18, "'' is not an IPv4 address" },
        { "allow anyone tcp *:80", 18, "'*' is not an IPv4 address" },
        { "allow anyone tcp localhost:80", 18, "host names are not looked up" },
        { "allow anyone tcp 127.0.0.256:80", 18, "is not an IPv4 address" },
        { "allow anyone tcp 127.1:80", 18, "is not an IPv4 address" },
        { "allow anyone tcp 127.0.0.01:80", 18, "is not an IPv4 address" },
        { "allow anyone tcp [127.0.0.1]:80", 19, "'127.0.0.1' is not an IPv6 address" },
        { "allow anyone tcp [::1::]:80", 19, "is not an IPv6 address" },
        { "allow anyone tcp []:80", 19, "'' is not an IPv6 address" },
        { "allow anyone tcp [fe80::1%eth0]:80", 26, "expected the address without '%eth0'" },
        { "allow anyone tcp 10.1.2.3/8:80", 18, "bits beyond the prefix; expected 10.0.0.0/8" },
        { "allow anyone tcp 0.0.0.1/0:80", 18, "expected 0.0.0.0/0" },
        { "allow anyone tcp [2001:db8::1]/32:80", 18, "expected [2001:db8::]/32" },
        { "allow anyone tcp [2001:db8:ffff::/33]:80", 18, "expected [2001:db8:8000::]/33" },
        { "allow anyone tcp [::ffff:10.0.0.1]/104:80", 18, "expected 10.0.0.0/8" },
        { "allow anyone tcp [::ffff:0:0]/95:80", 18, "an IPv4-mapped prefix shorter than /96" },
        { "allow anyone tcp 10.0.0.0/33:80", 27, "'33' is not a prefix length; expected 0 to 32" },
        { "allow anyone tcp 10.0.0.0/:80", 27, "'' is not a prefix length" },
        { "allow anyone tcp 10.0.0.0/08:80", 27, "'08' is not a prefix length" },
        { "allow anyone tcp 10.0.0.0/8/8:80", 27, "'8/8' is not a prefix length" },
        { "allow anyone tcp [::]/129:80", 23, "expected 0 to 128" },
        { "allow anyone tcp [::/0]/0:80", 25, "a second prefix length" },
        { "allow anyone tcp6 127.0.0.1:80",
          19,
          "an IPv4 address after 'tcp6'; expected an IPv6 "
          "address, or 'tcp'" },
        { "allow anyone tcp,udp6 127.0.0.1:80", 23, "an IPv4 address after 'udp6'" },
        { "allow anyone tcp4 [::1]:80", 19, "an IPv6 address after 'tcp4'" },
        { "allow anyone tcp4 [::ffff:0:0]/96:80 [::]:80", 38, "an IPv6 address after 'tcp4'" },
        { "allow anyone tcp 127.0.0.1:80,443",
          31,
          "'443' after '127.0.0.1:80' is ambiguous; expected '127.0.0.1:80,127.0.0.1:443' for that "
          "address, or '127.0.0.1:80 443' for any" },
        { "allow anyone tcp 127.0.0.1:80 , http", 33, "ambiguous" },
        { "allow anyone tcp 127.0.0.1:80,[::1]:80,443", 40, "expected '[::1]:80,[::1]:443'" },
        /* bytes */
        { "allow anyone tcp 80 # bell \a", 28, "a control byte; expected text" },
        { "allow anyone\rtcp 80", 13, "a control byte" },
        { "allow anyone tcp 80\r", 20, "a control byte" },
        { "allow\xc2\xa0"
          "anyone tcp 80",
          6,
          "not ASCII" },
        { "\xef\xbb\xbf"
          "allow anyone tcp 80",
          1,
          "not ASCII" },
        { "allow anyone tcp 80\x7f", 20, "a control byte" },
};

static void bad_rules(void **state) {
        (void)state;
        for (size_t i = 0; i < LENGTH(bad); i++) {
                struct notices errors = { 0 };
                struct policy *policy = NULL;

                if (fixture_parse(bad[i].text, &policy, &errors) != -EBADMSG)
                        fail_msg("accepted: %s", bad[i].text);
                assert_int_equal(errors.count, 1);
                if (strstr(errors.list[0].text, bad[i].says) == NULL ||
                    errors.list[0].column != bad[i].column)
                        fail_msg("%s\nexpected %u: %s\nsaid %u: %s",
                                 bad[i].text,
                                 bad[i].column,
                                 bad[i].says,
                                 errors.list[0].column,
                                 errors.list[0].text);
                assert_int_equal(errors.list[0].line, 1);
                assert_string_equal(errors.list[0].path, "test.conf");
                policy_free(policy);
                notices_done(&errors);
        }
}

static void nul_byte_is_refused(void **state) {
        static const char text[] = "allow anyone tcp 80\n# a\0b";
        struct notices errors = { 0 };
        struct policy *policy;

        (void)state;
        assert_int_equal(fixture_parse_bytes(text, sizeof(text) - 1, &policy, &errors), -EBADMSG);
        assert_int_equal(errors.list[0].line, 2);
        assert_int_equal(errors.list[0].column, 4);
        policy_free(policy);
        notices_done(&errors);
}

static void line_length_is_limited(void **state) {
        static char text[LEXER_LINE_MAX + 3];
        struct notices errors = { 0 };
        struct policy *policy;

        (void)state;
        memset(text, '#', LEXER_LINE_MAX);
        assert_int_equal(fixture_parse(text, &policy, &errors), 0);
        policy_free(policy);
        text[LEXER_LINE_MAX] = '\r'; /* not of the line, when a line feed follows */
        text[LEXER_LINE_MAX + 1] = '\n';
        assert_int_equal(fixture_parse(text, &policy, &errors), 0);
        policy_free(policy);
        text[LEXER_LINE_MAX] = '#';
        assert_int_equal(fixture_parse(text, &policy, &errors), -EBADMSG);
        assert_int_equal(errors.list[0].column, LEXER_LINE_MAX + 1);
        assert_non_null(strstr(errors.list[0].text, "too long; expected at most 8192 bytes"));
        policy_free(policy);
        notices_done(&errors);
}

static void names_are_limited(void **state) {
        char text[600];
        struct notices errors = { 0 };
        struct policy *policy;

        (void)state;
        snprintf(text, sizeof(text), "allow user %0*d%s tcp 80", 300, 1, "x");
        assert_int_equal(fixture_parse(text, &policy, &errors), 0);
        assert_false(policy->rules[0].user_known);
        policy_free(policy);
        snprintf(text, sizeof(text), "allow unit %0*d.service tcp 80", 248, 1);
        assert_int_equal(fixture_parse(text, &policy, &errors), -EBADMSG);
        assert_non_null(strstr(errors.list[0].text, "is no unit name"));
        policy_free(policy);
        notices_done(&errors);
}

/* Whether the name exists is not known, so this is neither a warning nor "unknown". */
static void failed_look_up_rejects_the_load(void **state) {
        static const char *const texts[] = {
                "\nallow user broken tcp 80",
                "\nallow group broken tcp 80",
                "\nallow anyone tcp broken",
        };

        (void)state;
        for (size_t i = 0; i < LENGTH(texts); i++) {
                struct notices errors = { 0 };
                struct policy *policy;

                assert_int_equal(fixture_parse(texts[i], &policy, &errors), -EIO);
                assert_non_null(strstr(errors.list[0].text, "cannot look up"));
                assert_int_equal(errors.list[0].line, 2);
                policy_free(policy);
                notices_done(&errors);
        }
}

static void several_rules(void **state) {
        struct policy *policy = fixture_policy("allow user alice tcp 80\n"
                                               "# nothing\n"
                                               "  deny group www group dns udp 53,54 # no\n"
                                               "allow user bob any 1-2");
        char text[256];

        (void)state;
        assert_int_equal(policy->n_rules, 3);
        describe(policy, 1, text, sizeof(text));
        assert_string_equal(text, "3:3 deny g2001 g2002 0c:53-53 0c:54-54");
        assert_int_equal(policy->rules[1].text.length,
                         strlen("deny group www group dns udp 53,54"));
        assert_memory_equal(policy->rules[1].text.at, "deny group www", 14);
        describe(policy, 2, text, sizeof(text));
        assert_string_equal(text, "4:1 allow u1002 3f:1-2");
        policy_free(policy);
}

static void empty_file(void **state) {
        struct policy *policy = fixture_policy("");

        (void)state;
        assert_int_equal(policy->n_rules, 0);
        policy_free(policy);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good_rules),
                cmocka_unit_test(bad_rules),
                cmocka_unit_test(nul_byte_is_refused),
                cmocka_unit_test(line_length_is_limited),
                cmocka_unit_test(names_are_limited),
                cmocka_unit_test(failed_look_up_rejects_the_load),
                cmocka_unit_test(several_rules),
                cmocka_unit_test(empty_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
