/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/address.h"

static struct address parse(const char *text) {
        struct address address = { .family = strchr(text, ':') ? ADDRESS_V6 : ADDRESS_V4 };
        int family = address.family == ADDRESS_V4 ? AF_INET : AF_INET6;

        assert_int_equal(inet_pton(family, text, address.bytes), 1);
        return address;
}

static void mapped_is_ipv4(void **state) {
        struct address address = parse("::ffff:192.0.2.1"), expected = parse("192.0.2.1");

        (void)state;
        address.scope = 7;
        address_normalise(&address);
        assert_memory_equal(&address, &expected, sizeof(address));
}

static void others_stay(void **state) {
        const char *const texts[] = {
                "192.0.2.1", "::1", "::", "::192.0.2.1", "::fffe:192.0.2.1", "1::ffff:192.0.2.1"
        };

        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
                struct address address = parse(texts[i]), before = address;

                address_normalise(&address);
                assert_memory_equal(&address, &before, sizeof(address));
        }
}

static void wildcards(void **state) {
        struct address v4 = parse("0.0.0.0"), v6 = parse("::"), one = parse("::1");
        struct address last = parse("0.0.0.1");

        (void)state;
        assert_true(address_is_wildcard(&v4));
        assert_true(address_is_wildcard(&v6));
        assert_false(address_is_wildcard(&one));
        assert_false(address_is_wildcard(&last));
}

static void prefixes(void **state) {
        static const struct {
                const char *address, *prefix;
                unsigned length;
                bool inside;
        } cases[] = {
                { "10.1.2.3", "10.0.0.0", 8, true },
                { "11.1.2.3", "10.0.0.0", 8, false },
                { "10.127.0.0", "10.0.0.0", 9, true },
                { "10.128.0.0", "10.0.0.0", 9, false },
                { "10.0.0.1", "10.0.0.1", 32, true },
                { "10.0.0.0", "10.0.0.1", 32, false },
                { "10.0.0.0", "10.0.0.1", 31, true },
                { "203.0.113.7", "0.0.0.0", 0, true },
                { "2001:db8::1", "2001:db8::", 32, true },
                { "2001:db9::1", "2001:db8::", 32, false },
                { "2001:db9::1", "2001:db8::", 31, true },
                { "::1", "::1", 128, true },
                { "::2", "::1", 128, false },
                { "::", "::1", 127, true },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct address address = parse(cases[i].address), prefix = parse(cases[i].prefix);

                assert_int_equal(address_in_prefix(&address, prefix.bytes, cases[i].length),
                                 cases[i].inside);
        }
}

static void socket_addresses(void **state) {
        struct address v4 = parse("192.0.2.1"), v6 = parse("fe80::1");
        struct sockaddr_storage storage;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;

        (void)state;
        v6.scope = 3;
        assert_int_equal(address_to_sockaddr(&v4, 80, false, &storage), sizeof(in));
        memcpy(&in, &storage, sizeof(in));
        assert_int_equal(in.sin_family, AF_INET);
        assert_int_equal(ntohs(in.sin_port), 80);
        assert_int_equal(ntohl(in.sin_addr.s_addr), 0xc0000201);

        assert_int_equal(address_to_sockaddr(&v6, 443, false, &storage), sizeof(in6));
        memcpy(&in6, &storage, sizeof(in6));
        assert_int_equal(in6.sin6_family, AF_INET6);
        assert_int_equal(ntohs(in6.sin6_port), 443);
        assert_int_equal(in6.sin6_scope_id, 3);
        assert_memory_equal(&in6.sin6_addr, v6.bytes, 16);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mapped_is_ipv4),   cmocka_unit_test(others_stay),
                cmocka_unit_test(wildcards),        cmocka_unit_test(prefixes),
                cmocka_unit_test(socket_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
