/* SPDX-License-Identifier: MIT */
#include "scenarios.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "ask.h"
#include "common/cleanup.h"
#include "daemon.h"
#include "people.h"
#include "scenario.h"

#define OPTIONS(...) ((const char *const[]){ __VA_ARGS__, NULL })

enum { MANY = 40 };

static int connects(uid_t uid) {
        int connection = people_connect(uid, DAEMON_SOCKET);

        if (connection < 0)
                fail("%s: %s", DAEMON_SOCKET, strerror(errno));
        return connection;
}

static enum lowport_reason reason_for(uid_t uid) {
        struct answer answer = ask_open(uid, IPPROTO_UDP, "127.0.0.1", 90);

        expect(!answer.closed);
        (void)close_fd(answer.fd);
        return (enum lowport_reason)answer.reply.reason;
}

void limit_of_time(void) {
        int silent, deaf;
        const struct wire_request request = ask_for(WIRE_CHECK, IPPROTO_TCP, "::", 80);

        daemon_start("allow user alice tcp 80\n",
                     OPTIONS("--request-timeout", "1", "--idle-timeout", "2"));
        silent = connects(ALICE);
        deaf = connects(ALICE);
        expect(!ask_on(deaf, &request).closed);
        expect(ask_receive(silent).closed);
        expect(ask_receive(deaf).closed);
        daemon_says("limited", "alice");
        daemon_stop();
}

/* One that has waited long makes room, and is told to come again. */
void limit_of_users(void) {
        int connections[MANY], gone = -1;
        struct answer answer;

        daemon_start("allow user alice tcp 80\n",
                     OPTIONS("--workers-per-user", "4", "--request-timeout", "40"));
        for (unsigned i = 0; i < 5; i++)
                connections[i] = connects(ALICE);
        await(daemon_status().evicted > 0);
        for (unsigned i = 0; i < 5; i++)
                if (ask_is_answered(connections[i], 0))
                        gone = connections[i];
        expect(gone >= 0);
        answer = ask_receive(gone);
        expect(!answer.closed);
        expect_number(answer.reply.reason, LOWPORT_OVER_LIMIT);
        expect(ask_receive(gone).closed);
        daemon_stop();
}

/* Every worker is taken, by several users; whoever comes is served all the same. */
void limit_of_workers(void) {
        int connections[MANY];
        unsigned over = 0;

        daemon_start("allow user bob tcp 80\n", OPTIONS("--workers", "8"));
        for (unsigned i = 0; i < MANY; i++)
                connections[i] = connects(2000 + i);
        for (unsigned i = 0; i < 10; i++)
                (void)close(ask_granted(BOB, IPPROTO_TCP, "::", 80));
        for (unsigned i = 0; i < MANY; i++)
                over += ask_is_answered(connections[i], 0);
        expect(over >= MANY - 8);
        expect(daemon_status().workers <= 8);
        for (unsigned i = 0; i < MANY; i++)
                (void)close(connections[i]);
        await(daemon_is_idle());
        daemon_stop();
}

/* Sockets that are granted and not taken stay charged to the daemon. */
void limit_of_grants(void) {
        int connections[MANY];

        daemon_start("allow anyone udp 80-90\n", OPTIONS("--unread-per-user", "3"));
        for (unsigned i = 0; i < 3; i++) {
                struct wire_request request =
                        ask_for(WIRE_OPEN, IPPROTO_UDP, "127.0.0.1", (uint16_t)(80 + i));

                connections[i] = connects(ALICE);
                expect_number(ask_send(connections[i], &request, sizeof(request), NULL, 0), 0);
                expect(ask_is_answered(connections[i], -1));
        }
        await(reason_for(ALICE) == LOWPORT_OVER_LIMIT);
        expect_number(reason_for(BOB), LOWPORT_GRANTED);
        expect_number(ask_receive(connections[0]).reply.reason, LOWPORT_GRANTED);
        await(reason_for(ALICE) == LOWPORT_GRANTED);
        daemon_stop();
}
