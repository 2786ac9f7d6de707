/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "cli/spec.h"

/* The services of the machine that the tests run on are none of theirs. */
struct servent *__wrap_getservbyname(const char *name, const char *protocol);

struct servent *__wrap_getservbyname(const char *name, const char *protocol) {
        static struct servent service;

        service.s_port = htons(strcmp(name, "https") == 0 ? 443 : 53);
        if (strcmp(name, "https") == 0 && strcmp(protocol, "sctp") != 0)
                return &service;
        if (strcmp(name, "domain") == 0)
                return &service;
        return NULL;
}

static void what_is_written_is_what_is_asked_for(void **state) {
        static const struct {
                const char *text;
                const char *described;
                const char *name;
                const char *address; /* for lowport_open(); NULL: any */
                unsigned flags;
                int backlog;
        } cases[] = {
                { "80", "tcp [::]:80", "tcp-80", NULL, 0, INT_MAX },
                { "tcp:80", "tcp [::]:80", "tcp-80", NULL, 0, INT_MAX },
                { "tcp4:80", "tcp 0.0.0.0:80", "tcp-80", "0.0.0.0", 0, INT_MAX },
                { "tcp6:80", "tcp6 [::]:80", "tcp-80", "::", LOWPORT_V6ONLY, INT_MAX },
                { "tcp:[::]:80", "tcp [::]:80", "tcp-80", "::", 0, INT_MAX },
                { "tcp6:[::]:80", "tcp6 [::]:80", "tcp-80", "::", LOWPORT_V6ONLY, INT_MAX },
                { "tcp6:[::1]:80", "tcp [::1]:80", "tcp-80", "::1", 0, INT_MAX },
                { "https", "tcp [::]:443", "tcp-443", NULL, 0, INT_MAX },
                { "udp:https", "udp [::]:443", "udp-443", NULL, 0, INT_MAX },
                { "127.0.0.1:domain", "tcp 127.0.0.1:53", "tcp-53", "127.0.0.1", 0, INT_MAX },
                { "udp:[::1]:53", "udp [::1]:53", "udp-53", "::1", 0, INT_MAX },
                { "udp4:127.0.0.1:53", "udp 127.0.0.1:53", "udp-53", "127.0.0.1", 0, INT_MAX },
                { "[fe80::1%lo]:80", "tcp [fe80::1%1]:80", "tcp-80", "fe80::1%1", 0, INT_MAX },
                { "[::ffff:10.0.0.1]:80", "tcp 10.0.0.1:80", "tcp-80", "10.0.0.1", 0, INT_MAX },
                { "sctp:1", "sctp [::]:1", "sctp-1", NULL, 0, INT_MAX },
                { "sctp6:65535", "sctp6 [::]:65535", "sctp-65535", "::", LOWPORT_V6ONLY, INT_MAX },
                { "tcp:80,name=web", "tcp [::]:80", "web", NULL, 0, INT_MAX },
                { "tcp:80,backlog=5", "tcp [::]:80", "tcp-80", NULL, 0, 5 },
                { "80,nolisten,freebind,name=a b",
                  "tcp [::]:80",
                  "a b",
                  NULL,
                  LOWPORT_NO_LISTEN | LOWPORT_FREEBIND,
                  INT_MAX },
                { "udp:53,freebind", "udp [::]:53", "udp-53", NULL, LOWPORT_FREEBIND, INT_MAX },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct spec spec;
                char error[256] = "", buffer[64];
                int r = spec_parse(cases[i].text, &spec, error, sizeof(error));
                const char *address;

                if (r != 0)
                        fail_msg("%s: %s", cases[i].text, error);
                assert_string_equal(spec.text, cases[i].described);
                assert_string_equal(spec.name, cases[i].name);
                assert_int_equal(spec.request.operation, WIRE_OPEN);
                assert_int_equal(spec.request.flags, cases[i].flags);
                assert_int_equal(spec.request.backlog, cases[i].backlog);
                assert_int_equal(spec.any_address, cases[i].address == NULL);
                address = spec_address(&spec, buffer, sizeof(buffer));
                if (cases[i].address == NULL)
                        assert_null(address);
                else
                        assert_string_equal(address, cases[i].address);
        }
}

static void what_only_a_socket_of_ones_own_has_is_noted(void **state) {
        static const struct {
                const char *text;
                bool reuseport, mptcp;
        } cases[] = {
                { "80", false, false },          { "80,freebind,nolisten", false, false },
                { "80,reuseport", true, false }, { "udp:80,reuseport", true, false },
                { "80,mptcp", false, true },     { "80,mptcp,name=x,reuseport", true, true },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct spec spec;
                char error[256];

                assert_int_equal(spec_parse(cases[i].text, &spec, error, sizeof(error)), 0);
                assert_int_equal(spec.reuseport, cases[i].reuseport);
                assert_int_equal(spec.mptcp, cases[i].mptcp);
                assert_int_equal(spec_needs_own(&spec), cases[i].reuseport || cases[i].mptcp);
                /* The policy knows of neither. */
                assert_int_equal(spec.request.protocol,
                                 cases[i].text[0] == 'u' ? IPPROTO_UDP : IPPROTO_TCP);
        }
}

static void what_is_wrong_is_said(void **state) {
        static const struct {
                const char *text;
                const char *error; /* a part of it */
        } cases[] = {
                { "", "no port" },
                { "tcp:", "no port" },
                { ",name=web", "no port" },
                { "0", "'0' is not a port; expected 1 to 65535" },
                { "tcp:65536", "'65536' is not a port" },
                { "tcp:80x", "'80x' is not a port" },
                { "tcp:-1", "'-1' is not a service of tcp" },
                { "tcp:18446744073709551697", "is not a port" },
                { "sctp:https", "'https' is not a service of sctp" },
                { "dccp:80", "'dccp' is neither a protocol nor an address" },
                { "tcp::80", "'' is not an address" },
                { "::1:80", "write an IPv6 address in brackets" },
                { "tcp:fe80::1:80", "write an IPv6 address in brackets" },
                { "[::1]", "expected an address and a port as [::1]:80" },
                { "[::1:80", "expected an address and a port as [::1]:80" },
                { "[::1]80:1", "expected an address and a port as [::1]:80" },
                { "tcp:[::1%lo]:80", "'::1%lo' is not an address" },
                { "[fe80::1%nosuchif0]:80", "no such network interface" },
                { "tcp:256.0.0.1:80", "'256.0.0.1' is not an address" },
                { "tcp4:[::1]:80", "'::1' is not an IPv4 address" },
                { "tcp6:127.0.0.1:80", "'127.0.0.1' is not an IPv6 address" },
                { "tcp6:[::ffff:1.2.3.4]:80", "is not an IPv6 address" },
                { "80,", "'' is not an option" },
                { "80,nolistn", "'nolistn' is not an option" },
                { "80,name=", "expected 1 to 255 bytes" },
                { "80,name=a:b", "no ':'" },
                { "80,name=a\nb", "no control character" },
                { "80,backlog=0", "expected a number from 1" },
                { "80,backlog=2147483648", "expected a number from 1" },
                { "80,backlog=5x", "expected a number from 1" },
                { "udp:53,nolisten", "UDP, which never listens" },
                { "udp:53,backlog=3", "UDP, which never listens" },
                { "udp:53,mptcp", "'mptcp' is for TCP only" },
                { "sctp:9,mptcp", "'mptcp' is for TCP only" },
                { "80,mptcp=1", "'mptcp=1' is not an option" },
                { "80,reuse", "freebind, reuseport or mptcp" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct spec spec;
                char error[256] = "";

                assert_int_equal(spec_parse(cases[i].text, &spec, error, sizeof(error)), -EINVAL);
                if (strstr(error, cases[i].error) == NULL)
                        fail_msg("%s: '%s' lacks '%s'", cases[i].text, error, cases[i].error);
        }
}

static void a_name_has_255_bytes_at_most(void **state) {
        char text[300] = "80,name=", error[512];
        struct spec spec;

        (void)state;
        memset(text + 8, 'n', 255);
        assert_int_equal(spec_parse(text, &spec, error, sizeof(error)), 0);
        assert_int_equal(strlen(spec.name), 255);
        text[8 + 255] = 'n';
        assert_int_equal(spec_parse(text, &spec, error, sizeof(error)), -EINVAL);
}

static void the_longest_address_fits(void **state) {
        struct spec spec;
        char error[512];

        (void)state;
        assert_int_equal(
                spec_parse("sctp:[fe80:1111:2222:3333:4444:5555:6666:7777%2147483647]:65535",
                           &spec,
                           error,
                           sizeof(error)),
                0);
        assert_string_equal(spec.text,
                            "sctp [fe80:1111:2222:3333:4444:5555:6666:7777%2147483647]:65535");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_written_is_what_is_asked_for),
                cmocka_unit_test(what_only_a_socket_of_ones_own_has_is_noted),
                cmocka_unit_test(what_is_wrong_is_said),
                cmocka_unit_test(a_name_has_255_bytes_at_most),
                cmocka_unit_test(the_longest_address_fits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
