/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

#include "common/wire.h"

static struct wire_request good(void) {
        return (struct wire_request){
                .version = WIRE_VERSION,
                .operation = WIRE_OPEN,
                .protocol = IPPROTO_TCP,
                .family = ADDRESS_V6,
                .port = 80,
        };
}

static void expect(const struct wire_request *wire, enum lowport_reason reason, uint32_t detail) {
        struct request request = { .port = 4711 };
        uint32_t got = 4711;

        assert_int_equal(wire_decode(wire, sizeof(*wire), &request, &got), reason);
        assert_int_equal(got, detail);
        if (reason != LOWPORT_GRANTED)
                assert_int_equal(request.port, 4711); /* not written */
}

static void whole_request(void **state) {
        struct wire_request wire = good();
        struct request request;
        uint32_t detail = 1;

        (void)state;
        wire.flags = LOWPORT_V6ONLY | LOWPORT_NO_LISTEN | LOWPORT_FREEBIND;
        wire.backlog = 17;
        wire.scope = 3;
        assert_int_equal(inet_pton(AF_INET6, "fe80::1", wire.address), 1);
        assert_int_equal(wire_decode(&wire, sizeof(wire), &request, &detail), LOWPORT_GRANTED);
        assert_int_equal(detail, 0);
        assert_int_equal(request.operation, WIRE_OPEN);
        assert_int_equal(request.port, 80);
        assert_int_equal(request.protocol, IPPROTO_TCP);
        assert_int_equal(request.flags, wire.flags);
        assert_int_equal(request.backlog, 17);
        assert_int_equal(request.address.family, ADDRESS_V6);
        assert_int_equal(request.address.scope, 3);
        assert_memory_equal(request.address.bytes, wire.address, 16);
}

static void no_backlog_is_the_largest(void **state) {
        struct wire_request wire = good();
        struct request request;
        uint32_t detail;

        (void)state;
        assert_int_equal(wire_decode(&wire, sizeof(wire), &request, &detail), LOWPORT_GRANTED);
        assert_int_equal(request.backlog, INT_MAX);
}

static void mapped_address_is_ipv4(void **state) {
        struct wire_request wire = good();
        struct request request;
        uint32_t detail;

        (void)state;
        assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", wire.address), 1);
        assert_int_equal(wire_decode(&wire, sizeof(wire), &request, &detail), LOWPORT_GRANTED);
        assert_int_equal(request.address.family, ADDRESS_V4);
        assert_int_equal(request.address.bytes[0], 127);
}

static void every_size_but_one_is_refused(void **state) {
        struct {
                struct wire_request wire;
                uint8_t more[16];
        } block = { .wire = good() };
        struct request request;
        uint32_t detail;

        (void)state;
        for (uint32_t size = 0; size <= sizeof(block); size++) {
                enum lowport_reason expected = size < WIRE_REQUEST_SIZE   ? LOWPORT_TOO_SHORT
                                               : size > WIRE_REQUEST_SIZE ? LOWPORT_TOO_LONG
                                                                          : LOWPORT_GRANTED;

                assert_int_equal(wire_decode(&block, size, &request, &detail), expected);
                assert_int_equal(detail, expected == LOWPORT_GRANTED ? 0 : size);
        }
}

/* Whoever speaks a later version, with a longer request, is told the versions spoken. */
static void version_comes_before_size(void **state) {
        struct wire_request wire = good();
        struct request request;
        uint32_t detail;

        (void)state;
        wire.version = 2;
        expect(&wire, LOWPORT_UNSUPPORTED_VERSION, 0x00010001);
        assert_int_equal(wire_decode(&wire, 4, &request, &detail), LOWPORT_UNSUPPORTED_VERSION);
        wire.version = 0;
        expect(&wire, LOWPORT_UNSUPPORTED_VERSION, 0x00010001);
}

static void operations(void **state) {
        struct wire_request wire = good();
        struct request request;
        uint32_t detail;

        (void)state;
        for (int operation = WIRE_OPEN; operation <= WIRE_CHECK; operation++) {
                wire.operation = (uint16_t)operation;
                expect(&wire, LOWPORT_GRANTED, 0);
        }
        wire.operation = 0;
        expect(&wire, LOWPORT_UNKNOWN_OPERATION, 0);
        wire.operation = 5;
        expect(&wire, LOWPORT_UNKNOWN_OPERATION, 5);
        assert_int_equal(wire_decode(&wire, 4, &request, &detail), LOWPORT_UNKNOWN_OPERATION);
}

static void malformed_fields(void **state) {
        static const struct {
                size_t offset, size;
                uint32_t value;
        } cases[] = {
                { offsetof(struct wire_request, protocol), 1, 0 },
                { offsetof(struct wire_request, protocol), 1, IPPROTO_ICMP },
                { offsetof(struct wire_request, protocol), 1, 255 },
                { offsetof(struct wire_request, family), 1, 0 },
                { offsetof(struct wire_request, family), 1, 5 },
                { offsetof(struct wire_request, flags), 4, 1U << 3 },
                { offsetof(struct wire_request, flags), 4, 1U << 31 },
                { offsetof(struct wire_request, backlog), 4, 1U << 31 },
                { offsetof(struct wire_request, reserved), 4, 1 },
                { offsetof(struct wire_request, reserved) + 4, 4, 1 },
                { offsetof(struct wire_request, reserved) + 8, 4, 1U << 31 },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct wire_request wire = good();
                uint32_t detail = (uint32_t)cases[i].offset;

                memcpy((char *)&wire + cases[i].offset, &cases[i].value, cases[i].size);
                if (detail > offsetof(struct wire_request, reserved))
                        detail = offsetof(struct wire_request, reserved);
                expect(&wire, LOWPORT_MALFORMED, detail);
        }
}

static void fields_that_contradict_others(void **state) {
        struct wire_request wire = good();

        (void)state;
        wire.family = ADDRESS_V4;
        expect(&wire, LOWPORT_GRANTED, 0);
        wire.flags = LOWPORT_V6ONLY;
        expect(&wire, LOWPORT_MALFORMED, offsetof(struct wire_request, flags));
        wire.flags = 0;
        wire.address[4] = 1;
        expect(&wire, LOWPORT_MALFORMED, offsetof(struct wire_request, address));
        wire.address[4] = 0;
        wire.address[15] = 1;
        expect(&wire, LOWPORT_MALFORMED, offsetof(struct wire_request, address));
        wire.address[15] = 0;
        wire.scope = 1;
        expect(&wire, LOWPORT_MALFORMED, offsetof(struct wire_request, scope));

        wire = good();
        wire.protocol = IPPROTO_UDP;
        wire.flags = LOWPORT_NO_LISTEN;
        expect(&wire, LOWPORT_MALFORMED, offsetof(struct wire_request, flags));
        wire.protocol = IPPROTO_SCTP;
        expect(&wire, LOWPORT_GRANTED, 0);
}

static void status_says_nothing_else(void **state) {
        (void)state;
        for (size_t i = 4; i < sizeof(struct wire_request); i++) {
                struct wire_request wire = { .version = WIRE_VERSION, .operation = WIRE_STATUS };

                expect(&wire, LOWPORT_GRANTED, 0);
                ((uint8_t *)&wire)[i] = 1;
                expect(&wire, LOWPORT_MALFORMED, (uint32_t)i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_request),
                cmocka_unit_test(no_backlog_is_the_largest),
                cmocka_unit_test(mapped_address_is_ipv4),
                cmocka_unit_test(every_size_but_one_is_refused),
                cmocka_unit_test(version_comes_before_size),
                cmocka_unit_test(operations),
                cmocka_unit_test(malformed_fields),
                cmocka_unit_test(fields_that_contradict_others),
                cmocka_unit_test(status_says_nothing_else),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
