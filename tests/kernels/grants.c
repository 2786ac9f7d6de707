/* SPDX-License-Identifier: MIT */
#include "scenarios.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "people.h"
#include "scenario.h"

static const char *const addresses[] = { "127.0.0.1", "::1", "0.0.0.0", "::" };

void grant_each_kind(void) {
        static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

        daemon_start(
                "allow user alice tcp,udp 80\nallow group 990 tcp 81\nallow user 1002 tcp 82\n",
                NULL);
        for (unsigned i = 0; i < 4; i++)
                for (unsigned j = 0; j < 2; j++) {
                        int fd = ask_granted(ALICE, protocols[j], addresses[i], 80);

                        expect(ask_is_served(
                                fd, protocols[j], i % 2 == 0 ? "127.0.0.1" : "::1", 80));
                        (void)close(fd);
                }
        (void)close(ask_granted(ALICE, IPPROTO_TCP, "::", 81));
        (void)close(ask_granted(BOB, IPPROTO_TCP, "::", 82));
        daemon_says("granted tcp [::]:80 to alice", DAEMON_POLICY ":1");
        daemon_stop();
}

static void is_refused(uid_t uid, const char *address, uint16_t port, enum lowport_reason reason) {
        struct answer answer = ask_open(uid, IPPROTO_TCP, address, port);

        expect(!answer.closed);
        expect_number(answer.reply.reason, reason);
        expect(answer.fd < 0 && answer.reply.error != 0);
}

void grant_not(void) {
        int fd;

        daemon_start("allow anyone tcp 80-90\ndeny user bob tcp 81\nallow user alice tcp 91\n",
                     NULL);
        is_refused(BOB, "::", 81, LOWPORT_RULE_DENIES);
        is_refused(BOB, "::", 91, LOWPORT_NO_RULE);
        is_refused(ALICE, "::", 8080, LOWPORT_NOT_LOW_PORT);
        is_refused(ALICE, "192.0.2.1", 80, LOWPORT_ADDRESS_NOT_AVAILABLE);
        fd = ask_granted(ALICE, IPPROTO_TCP, "127.0.0.1", 80);
        is_refused(BOB, "127.0.0.1", 80, LOWPORT_ADDRESS_IN_USE);
        is_refused(BOB, "::", 80, LOWPORT_ADDRESS_IN_USE);
        expect(ask_is_served(fd, IPPROTO_TCP, "127.0.0.1", 80));
        daemon_says("denied tcp [::]:91 for bob", "no rule");
        daemon_stop();
}

static void comes_to(struct wire_request request, size_t size, enum lowport_reason reason) {
        int connection = people_connect(ALICE, DAEMON_SOCKET);
        struct {
                struct wire_request request;
                char more[8];
        } data = { .request = request };
        struct answer answer;

        expect_number(ask_send(connection, &data, size, NULL, 0), 0);
        answer = ask_receive(connection);
        expect(!answer.closed);
        expect_number(answer.reply.reason, reason);
        (void)close(connection);
}

void grant_not_what_is_malformed(void) {
        const struct wire_request good = ask_for(WIRE_OPEN, IPPROTO_TCP, "::", 80);
        struct wire_request bad = good;

        daemon_start("allow anyone tcp 80\n", NULL);
        comes_to(good, sizeof(good) - 1, LOWPORT_TOO_SHORT);
        comes_to(good, sizeof(good) + 1, LOWPORT_TOO_LONG);
        bad.reserved[2] = 1;
        comes_to(bad, sizeof(bad), LOWPORT_MALFORMED);
        bad = good;
        bad.version = 7;
        comes_to(bad, sizeof(bad), LOWPORT_UNSUPPORTED_VERSION);
        bad = good;
        bad.operation = WIRE_OWN;
        comes_to(bad, sizeof(bad), LOWPORT_UNKNOWN_OPERATION);
        comes_to(good, sizeof(good), LOWPORT_GRANTED);
        expect_number(daemon_status().malformed, 5);
        daemon_stop();
}

/* The next request meets the last worker's copy of the socket, not closed yet. */
void grant_a_thousand(void) {
        int connection;
        const struct wire_request request = ask_for(WIRE_OPEN, IPPROTO_TCP, "::", 80);

        daemon_start("allow user alice tcp 80\n", NULL);
        for (unsigned i = 0; i < 500; i++)
                (void)close(ask_granted(ALICE, IPPROTO_TCP, "::", 80));
        connection = people_connect(ALICE, DAEMON_SOCKET);
        for (unsigned i = 0; i < 500; i++) {
                struct answer answer = ask_on(connection, &request);

                expect(!answer.closed && answer.reply.reason == LOWPORT_GRANTED);
                (void)close(answer.fd);
        }
        (void)close(connection);
        expect_number(daemon_status().granted, 1000);
        expect_number(daemon_status().failed, 0);
        daemon_stop();
}

void grant_from_elsewhere(void) {
        struct wire_request request = ask_for(WIRE_OPEN, IPPROTO_TCP, "127.0.0.1", 80);
        int connection;
        struct answer answer;

        daemon_start("allow user alice tcp 80\nallow user alice tcp 81 netns any\n", NULL);
        connection = people_connect_elsewhere(ALICE, DAEMON_SOCKET);
        answer = ask_on(connection, &request);
        expect(!answer.closed);
        expect_number(answer.reply.reason, LOWPORT_OTHER_NETNS);
        request.port = 81;
        answer = ask_on(connection, &request);
        expect(!answer.closed);
        expect_number(answer.reply.reason, LOWPORT_GRANTED);
        expect(ask_is_served(answer.fd, IPPROTO_TCP, "127.0.0.1", 81));
        (void)close(connection);
        daemon_stop();
}
