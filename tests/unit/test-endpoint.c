/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <arpa/inet.h>

#include "common/endpoint.h"

static struct address parse(const char *text) {
        struct address address = { .family = ADDRESS_V4 };

        if (inet_pton(AF_INET, text, address.bytes) != 1) {
                address.family = ADDRESS_V6;
                assert_int_equal(inet_pton(AF_INET6, text, address.bytes), 1);
        }
        return address;
}

static void endpoints_in_words(void **state) {
        static const struct {
                uint8_t protocol;
                const char *address;
                uint16_t port;
                bool v6only;
                const char *expected;
        } cases[] = {
                { IPPROTO_TCP, "0.0.0.0", 80, false, "tcp 0.0.0.0:80" },
                { IPPROTO_UDP, "127.0.0.1", 53, false, "udp 127.0.0.1:53" },
                { IPPROTO_SCTP, "255.255.255.255", 65535, false, "sctp 255.255.255.255:65535" },
                { IPPROTO_TCP, "::", 80, false, "tcp [::]:80" },
                { IPPROTO_TCP, "::", 80, true, "tcp6 [::]:80" },
                { IPPROTO_UDP, "::1", 53, true, "udp6 [::1]:53" },
                { IPPROTO_ICMP, "::1", 1, false, "unknown [::1]:1" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct address address = parse(cases[i].address);
                char text[ENDPOINT_TEXT_MAX];

                endpoint_format(cases[i].protocol,
                                &address,
                                cases[i].port,
                                cases[i].v6only,
                                text,
                                sizeof(text));
                assert_string_equal(text, cases[i].expected);
        }
}

static void a_zone_is_a_number(void **state) {
        struct address address = parse("fe80::1");
        char text[ENDPOINT_TEXT_MAX];

        (void)state;
        address.scope = 2;
        endpoint_format(IPPROTO_TCP, &address, 80, false, text, sizeof(text));
        assert_string_equal(text, "tcp [fe80::1%2]:80");
        endpoint_format_address(&address, text, sizeof(text));
        assert_string_equal(text, "fe80::1%2");
        endpoint_format_place(&address, 80, text, sizeof(text));
        assert_string_equal(text, "[fe80::1%2]:80");
}

static void the_longest_fits(void **state) {
        struct address address = parse("1111:2222:3333:4444:5555:6666:255.255.255.255");
        char text[ENDPOINT_TEXT_MAX];

        (void)state;
        address.scope = UINT32_MAX;
        endpoint_format(IPPROTO_SCTP, &address, 65535, true, text, sizeof(text));
        assert_string_equal(text,
                            "sctp6 [1111:2222:3333:4444:5555:6666:ffff:ffff%4294967295]:65535");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(endpoints_in_words),
                cmocka_unit_test(a_zone_is_a_number),
                cmocka_unit_test(the_longest_fits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
