/* SPDX-License-Identifier: MIT */
#include "scenarios.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "kernel.h"
#include "people.h"
#include "scenario.h"

static void set(int fd, int level, int option) {
        static const int on = 1;

        if (setsockopt(fd, level, option, &on, sizeof(on)) < 0)
                fail("setsockopt: %s", strerror(errno));
}

static int port_of(int fd) {
        struct sockaddr_in6 name = { 0 };
        socklen_t size = sizeof(name);

        if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
                fail("getsockname: %s", strerror(errno));
        return ntohs(name.sin6_port);
}

static void bind_to(int fd, uint16_t port) {
        struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };

        if (bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
                fail("bind: %s", strerror(errno));
}

void own_each_kind(void) {
        static const int domains[] = { AF_INET, AF_INET6 };
        static const char *const addresses[] = { "0.0.0.0", "::" };
        static const char *const from[] = { "127.0.0.1", "::1" };

        daemon_start("allow user alice tcp,udp 80\n", NULL);
        for (unsigned i = 0; i < 4; i++) {
                uint8_t protocol = i / 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP;
                int fd =
                        people_socket(ALICE, domains[i % 2], i / 2 == 0 ? SOCK_STREAM : SOCK_DGRAM);

                if (protocol == IPPROTO_TCP)
                        set(fd, SOL_SOCKET, SO_REUSEADDR); /* over the last one's connections */
                expect_number(ask_own(ALICE, fd, protocol, addresses[i % 2], 80), LOWPORT_GRANTED);
                expect_number(port_of(fd), 80);
                expect(protocol == IPPROTO_UDP || listen(fd, 5) == 0);
                expect(ask_is_served(fd, protocol, from[i % 2], 80));
                (void)close(fd);
        }
        expect(people_connect(CAROL, DAEMON_OWN_SOCKET) < 0 && errno == EACCES);
        daemon_stop();
}

/* Two of alice's share a port, and none of bob's joins them. */
void own_shared_by_one_user(void) {
        int fds[3];

        daemon_start("allow group 990 tcp 80\n", NULL);
        for (unsigned i = 0; i < 3; i++) {
                uid_t uid = i < 2 ? ALICE : BOB;

                fds[i] = people_socket(uid, AF_INET, SOCK_STREAM);
                set(fds[i], SOL_SOCKET, SO_REUSEPORT);
                expect_number(ask_own(uid, fds[i], IPPROTO_TCP, "0.0.0.0", 80),
                              uid == ALICE ? LOWPORT_GRANTED : LOWPORT_ADDRESS_IN_USE);
                expect(uid == BOB || listen(fds[i], 5) == 0);
        }
        expect_number(port_of(fds[2]), 0);
        daemon_stop();
}

/* Somebody holds the port, and lets others share it: bob is not one of them. */
void own_not_of_others(void) {
        int holder = people_socket(CAROL, AF_INET, SOCK_DGRAM);
        int thief = people_socket(BOB, AF_INET, SOCK_DGRAM);
        int own = people_socket(BOB, AF_INET, SOCK_DGRAM);

        daemon_start("allow user bob udp 80-81\n", NULL);
        set(holder, SOL_SOCKET, SO_REUSEADDR);
        set(thief, SOL_SOCKET, SO_REUSEADDR);
        bind_to(holder, 80);
        expect_number(ask_own(BOB, thief, IPPROTO_UDP, "0.0.0.0", 80), LOWPORT_ADDRESS_IN_USE);
        expect_number(ask_own(BOB, thief, IPPROTO_UDP, "127.0.0.1", 80), LOWPORT_ADDRESS_IN_USE);
        expect(ask_is_served(holder, IPPROTO_UDP, "127.0.0.1", 80));

        /* His own is no obstacle. */
        set(own, SOL_SOCKET, SO_REUSEADDR);
        bind_to(own, 81);
        expect_number(ask_own(BOB, thief, IPPROTO_UDP, "0.0.0.0", 81), LOWPORT_GRANTED);
        daemon_stop();
}

/* A TCP socket between bind(2) and listen(2). Where the kernel lists none such, this is what
 * SECURITY.md says remains. */
void own_not_bound_tcp(void) {
        int holder = people_socket(CAROL, AF_INET, SOCK_STREAM);
        int thief = people_socket(BOB, AF_INET, SOCK_STREAM);
        enum lowport_reason reason;

        daemon_start("allow user bob tcp 80\n", NULL);
        set(holder, SOL_SOCKET, SO_REUSEADDR);
        set(thief, SOL_SOCKET, SO_REUSEADDR);
        bind_to(holder, 80);
        reason = ask_own(BOB, thief, IPPROTO_TCP, "0.0.0.0", 80);
        expect_number(reason, kernel.lists_bound ? LOWPORT_ADDRESS_IN_USE : LOWPORT_GRANTED);
        note(reason == LOWPORT_GRANTED ? "bound beside it" : "refused");
        if (reason != LOWPORT_GRANTED) {
                expect(listen(holder, 5) == 0);
                expect(ask_is_served(holder, IPPROTO_TCP, "127.0.0.1", 80));
        }
        daemon_stop();
}

/* A grant for IPv6 alone, beside bob's IPv4. */
void own_not_ipv4(void) {
        int six = people_socket(ALICE, AF_INET6, SOCK_STREAM), both, four;

        daemon_start("allow user alice tcp6 80\nallow user bob tcp4 80\n", NULL);
        four = ask_granted(BOB, IPPROTO_TCP, "0.0.0.0", 80);
        both = people_socket(ALICE, AF_INET6, SOCK_STREAM);
        expect_number(ask_own(ALICE, both, IPPROTO_TCP, "::", 80), LOWPORT_NO_RULE);
        set(six, IPPROTO_IPV6, IPV6_V6ONLY);
        {
                struct wire_request request = ask_for(WIRE_CHECK, IPPROTO_TCP, "::", 80);
                int connection = people_connect(ALICE, DAEMON_OWN_SOCKET);
                struct answer answer;

                request.flags = LOWPORT_V6ONLY;
                answer = ask_on(connection, &request);
                expect(!answer.closed);
                expect_number(answer.reply.reason, LOWPORT_GRANTED);
                request.operation = WIRE_OWN;
                answer = ask_with(connection, &request, &six, 1);
                expect(!answer.closed);
                expect_number(answer.reply.reason, LOWPORT_GRANTED);
                (void)close(connection);
        }
        expect(listen(six, 5) == 0);
        expect(ask_is_served(six, IPPROTO_TCP, "::1", 80));
        expect(ask_is_served(four, IPPROTO_TCP, "127.0.0.1", 80));
        daemon_stop();
}

void own_elsewhere(void) {
        int fd = people_socket_elsewhere(ALICE, AF_INET, SOCK_STREAM);
        int connection;
        struct wire_request request = ask_for(WIRE_CHECK, IPPROTO_TCP, "0.0.0.0", 81);
        struct answer answer;

        daemon_start("allow user alice tcp 80\nallow user alice tcp 81 netns any\n", NULL);
        expect_number(ask_own(ALICE, fd, IPPROTO_TCP, "0.0.0.0", 80), LOWPORT_OTHER_NETNS);
        expect_number(ask_own(ALICE, fd, IPPROTO_TCP, "0.0.0.0", 81), LOWPORT_GRANTED);
        expect_number(port_of(fd), 81);
        (void)close(ask_granted(ALICE, IPPROTO_TCP, "0.0.0.0", 81)); /* it is free here */

        /* What counts is where the socket is, not who sends it. */
        (void)close(fd);
        fd = people_socket(ALICE, AF_INET, SOCK_STREAM);
        request.port = 80;
        connection = people_connect_elsewhere(ALICE, DAEMON_OWN_SOCKET);
        expect_number(ask_on(connection, &request).reply.reason, LOWPORT_GRANTED);
        request.operation = WIRE_OWN;
        answer = ask_with(connection, &request, &fd, 1);
        expect(!answer.closed);
        expect_number(answer.reply.reason, LOWPORT_GRANTED);
        expect_number(port_of(fd), 80);
        (void)close(connection);
        daemon_stop();
}
