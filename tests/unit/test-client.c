/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <lowport/lowport.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/deadline.h"
#include "client/handle.h"
#include "fake-daemon.h"

static size_t descriptors_before;
static int socket_error;

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);

int __wrap_socket(int domain, int type, int protocol) {
        if (socket_error == 0)
                return __real_socket(domain, type, protocol);
        errno = socket_error;
        return -1;
}

static int set_up(void **state) {
        static struct fake fake;

        descriptors_before = count_descriptors();
        fake_init(&fake);
        *state = &fake;
        return 0;
}

/* Whatever a test did, the library has kept nothing. */
static int tear_down(void **state) {
        socket_error = 0;
        fake_done(*state);
        return count_descriptors() == descriptors_before ? 0 : -1;
}

static struct lowport *start(struct fake *fake) {
        struct lowport *lp = lowport_new(fake->path);

        assert_non_null(lp);
        fake_start(fake);
        return lp;
}

static void stop(struct fake *fake, struct lowport *lp) {
        assert_null(lowport_free(lp));
        fake_stop(fake);
}

static int open_80(struct lowport *lp) {
        return lowport_open(lp, IPPROTO_TCP, "::", 80, 0, 0);
}

static void assert_granted(struct lowport *lp, int fd) {
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(lowport_reason(lp), LOWPORT_GRANTED);
        close(fd);
}

static void assert_failed(struct lowport *lp, int fd, int error, enum lowport_reason reason) {
        assert_int_equal(errno, error);
        assert_int_equal(fd, -1);
        assert_int_equal(lowport_reason(lp), reason);
}

static uint64_t milliseconds(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void a_request_says_what_the_call_said(void **state) {
        struct fake *fake = *state;
        static const uint8_t loopback[16] = { 127, 0, 0, 1 };

        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_granted(
                lp, lowport_open(lp, IPPROTO_SCTP, "::ffff:127.0.0.1", 443, LOWPORT_FREEBIND, 7));
        assert_int_equal(lowport_uid(lp), 1001);
        assert_int_equal(fcntl(lp->connection.fd, F_GETFD), FD_CLOEXEC);
        stop(fake, lp);
        const struct wire_request *request = &fake->requests[0];

        assert_int_equal(request->version, 1);
        assert_int_equal(request->operation, WIRE_OPEN);
        assert_int_equal(request->protocol, IPPROTO_SCTP);
        assert_int_equal(request->family, ADDRESS_V4);
        assert_int_equal(request->port, 443);
        assert_int_equal(request->flags, LOWPORT_FREEBIND);
        assert_int_equal(request->backlog, 7);
        assert_memory_equal(request->address, loopback, 16);
        assert_int_equal(request->scope, 0);
}

static void a_zone_is_an_interface(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_granted(lp, lowport_open(lp, IPPROTO_UDP, "fe80::1%lo", 53, 0, 9));
        stop(fake, lp);
        assert_int_equal(fake->requests[0].family, ADDRESS_V6);
        assert_int_equal(fake->requests[0].scope, 1);
        assert_int_equal(fake->requests[0].backlog, 0); /* nothing to UDP */
}

static void one_connection_serves_several_requests(void **state) {
        struct fake *fake = *state;

        for (int i = 0; i < 3; i++)
                fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        for (int i = 0; i < 3; i++)
                assert_granted(lp, open_80(lp));
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 1);
}

static void without_a_handle_each_call_connects(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_REPLY, 0, 0);
        fake_start(fake);
        setenv("LOWPORT_SOCKET", fake->path, 1);
        int fd = open_80(NULL);

        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(lowport_check(NULL, IPPROTO_TCP, NULL, 80, 0), 0);
        unsetenv("LOWPORT_SOCKET");
        fake_stop(fake);
        assert_int_equal(fake->n_connections, 2);
        assert_int_equal(fake->requests[1].operation, WIRE_CHECK);
}

static void a_denial_names_its_rule(void **state) {
        struct fake *fake = *state;
        const char *path = NULL;
        unsigned line = 0;

        fake_add(fake, ACT_REPLY, LOWPORT_RULE_DENIES, EACCES);
        fake->acts[0].reply.line = 7;
        strcpy(fake->acts[0].reply.path, "/etc/lowport/policy.conf");
        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_failed(lp, open_80(lp), EACCES, LOWPORT_RULE_DENIES);
        assert_int_equal(lowport_rule(lp, &path, &line), 1);
        assert_string_equal(path, "/etc/lowport/policy.conf");
        assert_int_equal(line, 7);
        assert_string_equal(lowport_message(lp),
                            "denied to uid 1001 by /etc/lowport/policy.conf:7");

        /* The next call begins anew. */
        assert_granted(lp, open_80(lp));
        assert_int_equal(lowport_rule(lp, &path, &line), 0);
        assert_string_equal(lowport_message(lp), "granted");
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 1);
}

static void an_answer_writes_nothing_to_a_terminal(void **state) {
        struct fake *fake = *state;
        struct lowport_status status;
        const char *path = NULL;
        unsigned line = 0;

        fake_add(fake, ACT_REPLY, LOWPORT_RULE_DENIES, EACCES);
        fake->acts[0].reply.line = 7;
        strcpy(fake->acts[0].reply.path, "/a\x1b[2Jb\nc\x7f");
        fake_add(fake, ACT_REPLY, 0, 0);
        strcpy(fake->acts[1].reply.status.version, "1.2\x1b[2J");
        struct lowport *lp = start(fake);

        assert_failed(lp, open_80(lp), EACCES, LOWPORT_RULE_DENIES);
        assert_int_equal(lowport_rule(lp, &path, &line), 1);
        assert_string_equal(path, "/a?[2Jb?c?");
        assert_string_equal(lowport_message(lp), "denied to uid 1001 by /a?[2Jb?c?:7");
        assert_failed(lp, lowport_status(lp, &status, sizeof(status)), EPROTO, LOWPORT_BAD_REPLY);
        stop(fake, lp);
}

static void messages_say_what_people_want_to_know(void **state) {
        static const struct {
                enum lowport_reason reason;
                int error;
                uint32_t detail;
                const char *text;
        } cases[] = {
                { LOWPORT_NO_RULE, EACCES, 6, "denied: no rule allows this to uid 1001" },
                { LOWPORT_NO_RULE,
                  EACCES,
                  4,
                  "denied: no rule allows 0.0.0.0:80, which [::]:80 takes too, to uid 1001" },
                { LOWPORT_ADDRESS_IN_USE, EADDRINUSE, 0, "in use: another program holds [::]:80" },
                { LOWPORT_NOT_LOW_PORT,
                  EINVAL,
                  1023,
                  "port 80 needs no privilege: bind it yourself (the daemon grants 1 to 1023)" },
                { LOWPORT_BIND_FAILED,
                  EAFNOSUPPORT,
                  0,
                  "the kernel refuses [::]:80: Address family not supported by protocol" },
                { LOWPORT_MALFORMED, EBADMSG, 20, "the daemon finds the request wrong at byte 20" },
                /* One that a later release may add. */
                { 50, EPERM, 0, "refused: Operation not permitted" },
        };
        struct fake *fake = *state;
        size_t n = sizeof(cases) / sizeof(cases[0]);

        for (size_t i = 0; i < n; i++) {
                fake_add(fake, ACT_REPLY, cases[i].reason, cases[i].error);
                fake->acts[i].reply.detail = cases[i].detail;
        }
        struct lowport *lp = start(fake);

        for (size_t i = 0; i < n; i++) {
                assert_failed(lp, open_80(lp), cases[i].error, cases[i].reason);
                assert_string_equal(lowport_message(lp), cases[i].text);
        }
        stop(fake, lp);
}

static void an_answer_that_is_none_is_refused(void **state) {
        struct fake *fake = *state;
        struct wire_reply *reply;

        static const enum act_kind kinds[] = { ACT_TWO_DESCRIPTORS,
                                               ACT_SHORT,
                                               ACT_LONG,
                                               ACT_REPLY /* a grant, and no socket */ };

        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                fake_add(fake, kinds[i], 0, 0);
        fake_add(fake, ACT_WITH_DESCRIPTOR, LOWPORT_NO_RULE, EACCES);
        fake_add(fake, ACT_WITH_DESCRIPTOR, LOWPORT_NO_RULE, EACCES);
        fake->acts[fake->n_acts - 1].reply.flags = WIRE_HAS_DESCRIPTOR;
        fake_add(fake, ACT_GRANT, 0, EACCES);
        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, -EACCES);
        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, EADDRINUSE);
        fake_add(fake, ACT_REPLY, LOWPORT_UNREACHABLE, ECONNREFUSED);
        fake_add(fake, ACT_GRANT, 0, 0);
        fake->acts[fake->n_acts - 1].reply.version = 2;
        fake_add(fake, ACT_GRANT, 0, 0);
        fake->acts[fake->n_acts - 1].reply.operation = WIRE_CHECK;
        fake_add(fake, ACT_GRANT, 0, 0);
        fake->acts[fake->n_acts - 1].reply.flags = 2;
        fake_add(fake, ACT_GRANT, 0, 0);
        reply = &fake->acts[fake->n_acts - 1].reply;
        memset(reply->path, 'x', sizeof(reply->path));
        struct lowport *lp = start(fake);

        for (size_t i = 0; i < fake->n_acts; i++) {
                assert_failed(lp, open_80(lp), EPROTO, LOWPORT_BAD_REPLY);
                assert_int_equal(lowport_uid(lp), UINT32_MAX);
        }
        stop(fake, lp);
        /* None of these connections was used again. */
        assert_int_equal(fake->n_connections, fake->n_requests);
}

static void a_check_brings_no_socket(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_REPLY, 0, 0);
        struct lowport *lp = start(fake);

        assert_failed(lp, lowport_check(lp, IPPROTO_TCP, NULL, 80, 0), EPROTO, LOWPORT_BAD_REPLY);
        assert_int_equal(lowport_check(lp, IPPROTO_TCP, NULL, 80, 0), 0);
        stop(fake, lp);
}

static void a_fresh_connection_that_is_closed_is_tried_again(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_CLOSE, 0, 0);
        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_granted(lp, open_80(lp));
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 2);
}

static void a_daemon_that_always_closes_is_left_alone(void **state) {
        struct fake *fake = *state;

        for (int i = 0; i < 3; i++)
                fake_add(fake, ACT_CLOSE, 0, 0);
        struct lowport *lp = start(fake);

        assert_failed(lp, open_80(lp), ECONNRESET, LOWPORT_UNREACHABLE);
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 3);
}

static void a_kept_connection_that_was_closed_is_made_again(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_GRANT_CLOSE, 0, 0);
        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_CLOSE, 0, 0); /* when it is asked, not before */
        fake_add(fake, ACT_CLOSE, 0, 0); /* these two are fresh */
        fake_add(fake, ACT_CLOSE, 0, 0);
        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        for (int i = 0; i < 3; i++)
                assert_granted(lp, open_80(lp));
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 5);
        assert_int_equal(fake->n_requests, 6);
}

static void an_empty_datagram_is_as_good_as_a_close(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_EMPTY, 0, 0);
        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_granted(lp, open_80(lp));
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 2);
}

static void over_a_limit_the_library_comes_again(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_REPLY_CLOSE, LOWPORT_OVER_LIMIT, EAGAIN);
        fake_add(fake, ACT_REPLY, LOWPORT_OVER_LIMIT, EAGAIN);
        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_granted(lp, open_80(lp));
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 3);
}

static void over_a_limit_for_long_is_eagain(void **state) {
        struct fake *fake = *state;

        for (int i = 0; i < FAKE_ACTS; i++)
                fake_add(fake, ACT_REPLY, LOWPORT_OVER_LIMIT, EAGAIN);
        struct lowport *lp = start(fake);
        uint64_t begin = milliseconds();

        lowport_set_timeout(lp, 100);
        assert_failed(lp, open_80(lp), EAGAIN, LOWPORT_OVER_LIMIT);
        assert_in_range(milliseconds() - begin, 100, 1500);
        stop(fake, lp);
        assert_in_range(fake->n_requests, 3, 8);
}

/* The daemon may have given the connection to another while it was idle, and said so. */
static void an_evicted_connection_is_made_again(void **state) {
        struct fake *fake = *state;
        int pair[2];
        struct wire_reply reply = {
                .version = WIRE_VERSION,
                .operation = 0, /* it had not been asked anything */
                .reason = LOWPORT_OVER_LIMIT,
                .error = EAGAIN,
        };

        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_granted(lp, open_80(lp));
        /* The kept connection now is this, with a last word in it, and an end. */
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(send(pair[0], &reply, sizeof(reply), 0), sizeof(reply));
        close(pair[0]);
        assert_true(dup3(pair[1], lp->connection.fd, O_CLOEXEC) >= 0);
        close(pair[1]);
        assert_granted(lp, open_80(lp));
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 2);
}

static void silence_ends_at_the_timeout(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_SILENT, 0, 0);
        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);
        uint64_t begin = milliseconds();

        lowport_set_timeout(lp, 100);
        assert_failed(lp, open_80(lp), ETIMEDOUT, LOWPORT_TIMED_OUT);
        assert_in_range(milliseconds() - begin, 100, 1500);
        lowport_set_timeout(lp, 10000);
        assert_granted(lp, open_80(lp)); /* not the answer to the request before */
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 2);
}

static void on_alarm(int number) {
        (void)number;
}

static void signals_do_not_extend_the_timeout(void **state) {
        struct fake *fake = *state;
        struct sigaction action = { .sa_handler = on_alarm };
        struct itimerval timer = { { 0, 20000 }, { 0, 20000 } }, off = { 0 };

        fake_add(fake, ACT_SILENT, 0, 0);
        struct lowport *lp = start(fake);

        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &timer, NULL);
        uint64_t begin = milliseconds();

        lowport_set_timeout(lp, 200);
        assert_failed(lp, open_80(lp), ETIMEDOUT, LOWPORT_TIMED_OUT);
        assert_in_range(milliseconds() - begin, 200, 1500);
        setitimer(ITIMER_REAL, &off, NULL);
        signal(SIGALRM, SIG_DFL);
        stop(fake, lp);
}

/* Nobody accepts; the second time signals come while connect(2) waits. */
static void a_full_backlog_ends_at_the_timeout(void **state) {
        struct fake *fake = *state;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct sigaction action = { .sa_handler = on_alarm };
        struct itimerval timer = { { 0, 20000 }, { 0, 20000 } }, off = { 0 };
        int fds[64], n = 0;

        strcpy(address.sun_path, fake->path);
        do {
                fds[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                n++;
        } while (n < 64 && connect(fds[n - 1], (struct sockaddr *)&address, sizeof(address)) == 0);
        assert_in_range(n, 2, 63);
        struct lowport *lp = lowport_new(fake->path);

        lowport_set_timeout(lp, 200);
        for (int signals = 0; signals < 2; signals++) {
                sigaction(SIGALRM, &action, NULL);
                setitimer(ITIMER_REAL, signals ? &timer : &off, NULL);
                uint64_t begin = milliseconds();

                assert_failed(lp, open_80(lp), ETIMEDOUT, LOWPORT_TIMED_OUT);
                assert_in_range(milliseconds() - begin, 200, 1500);
        }
        setitimer(ITIMER_REAL, &off, NULL);
        signal(SIGALRM, SIG_DFL);
        lowport_free(lp);
        while (n > 0)
                close(fds[--n]);
}

static void no_daemon_is_unreachable(void **state) {
        struct fake *fake = *state;
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/none", fake->directory);
        struct lowport *lp = lowport_new(path);

        assert_failed(lp, open_80(lp), ENOENT, LOWPORT_UNREACHABLE);
        lowport_free(lp);
        close(fake->listener);
        fake->listener = -1;
        lp = lowport_new(fake->path);
        assert_failed(lp, open_80(lp), ECONNREFUSED, LOWPORT_UNREACHABLE);
        lowport_free(lp);
}

static void without_ipv6_every_address_is_every_ipv4_one(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_REPLY, LOWPORT_BIND_FAILED, EAFNOSUPPORT);
        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_ADDRESS_NOT_AVAILABLE, EADDRNOTAVAIL);
        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_BIND_FAILED, EAFNOSUPPORT);
        fake_add(fake, ACT_REPLY, LOWPORT_BIND_FAILED, EAFNOSUPPORT);
        fake_add(fake, ACT_REPLY, LOWPORT_ADDRESS_IN_USE, EADDRINUSE);
        struct lowport *lp = start(fake);

        assert_granted(lp, lowport_open(lp, IPPROTO_TCP, NULL, 80, 0, 0));
        assert_granted(lp, lowport_open(lp, IPPROTO_TCP, NULL, 80, 0, 0));
        /* But not where the caller meant IPv6, and not for another error. */
        assert_failed(lp,
                      lowport_open(lp, IPPROTO_TCP, NULL, 80, LOWPORT_V6ONLY, 0),
                      EAFNOSUPPORT,
                      LOWPORT_BIND_FAILED);
        assert_failed(lp, open_80(lp), EAFNOSUPPORT, LOWPORT_BIND_FAILED);
        assert_failed(lp,
                      lowport_open(lp, IPPROTO_TCP, NULL, 80, 0, 0),
                      EADDRINUSE,
                      LOWPORT_ADDRESS_IN_USE);
        stop(fake, lp);
        assert_int_equal(fake->n_requests, 7);
        for (size_t i = 0; i < 7; i++)
                assert_int_equal(fake->requests[i].family,
                                 i == 1 || i == 3 ? ADDRESS_V4 : ADDRESS_V6);
}

static void arguments_are_checked_before_anybody_is_asked(void **state) {
        static const struct {
                int protocol;
                const char *address;
                uint16_t port;
                unsigned flags;
                int backlog;
        } cases[] = {
                { IPPROTO_ICMP, NULL, 80, 0, 0 },
                { IPPROTO_TCP, NULL, 0, 0, 0 },
                { IPPROTO_TCP, NULL, 80, 8, 0 },
                { IPPROTO_TCP, NULL, 80, 0, -1 },
                { IPPROTO_UDP, NULL, 53, LOWPORT_NO_LISTEN, 0 },
                { IPPROTO_TCP, "127.0.0.1", 80, LOWPORT_V6ONLY, 0 },
                { IPPROTO_TCP, "::ffff:127.0.0.1", 80, LOWPORT_V6ONLY, 0 },
                { IPPROTO_TCP, "", 80, 0, 0 },
                { IPPROTO_TCP, "localhost", 80, 0, 0 },
                { IPPROTO_TCP, "127.1", 80, 0, 0 },
                { IPPROTO_TCP, "[::1]", 80, 0, 0 },
                { IPPROTO_TCP, "::1%lo", 80, 0, 0 },
                { IPPROTO_TCP, "fe80::1%", 80, 0, 0 },
                { IPPROTO_TCP, "fe80::1%0", 80, 0, 0 },
                { IPPROTO_TCP, "fe80::1%1x", 80, 0, 0 },
                { IPPROTO_TCP, "fe80::1%nosuchif0", 80, 0, 0 },
                { IPPROTO_TCP, "fe80:0000:0000:0000:0000:0000:0000:0000:0000:0001", 80, 0, 0 },
        };
        struct lowport *lp = lowport_new("/nonexistent");

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_failed(lp,
                              lowport_open(lp,
                                           cases[i].protocol,
                                           cases[i].address,
                                           cases[i].port,
                                           cases[i].flags,
                                           cases[i].backlog),
                              EINVAL,
                              LOWPORT_BAD_ARGUMENT);
        assert_int_equal(lowport_set_timeout(lp, 0), -1);
        assert_int_equal(lowport_set_timeout(lp, 3600001), -1);
        assert_int_equal(lowport_set_timeout(lp, 3600000), 0);
        lowport_free(lp);
}

static void a_path_fits_or_is_refused(void **state) {
        char path[109];
        struct lowport *lp;

        (void)state;
        memset(path, 'x', sizeof(path));
        path[108] = '\0';
        assert_null(lowport_new(path));
        assert_int_equal(errno, ENAMETOOLONG);
        setenv("LOWPORT_SOCKET", path, 1);
        assert_int_equal(open_80(NULL), -1);
        assert_int_equal(errno, ENAMETOOLONG);
        unsetenv("LOWPORT_SOCKET");
        path[107] = '\0';
        lp = lowport_new(path);
        assert_non_null(lp);
        lowport_free(lp);
}

static void a_child_connects_anew(void **state) {
        struct fake *fake = *state;
        int status;

        for (int i = 0; i < 3; i++)
                fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_granted(lp, open_80(lp));
        pid_t child = fork();

        if (child == 0) {
                int fd = open_80(lp);

                lowport_free(lp);
                _exit(fd >= 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_granted(lp, open_80(lp));
        stop(fake, lp);
        assert_int_equal(fake->n_connections, 2);
}

static void status_is_copied_as_far_as_the_caller_knows_it(void **state) {
        struct fake *fake = *state;
        struct {
                struct lowport_status status;
                char more[8];
        } large;
        struct lowport_status status;
        struct wire_status *sent;

        for (int i = 0; i < 4; i++) {
                fake_add(fake, ACT_REPLY, 0, 0);
                sent = &fake->acts[i].reply.status;
                sent->granted = 5;
                sent->workers_per_user = 9;
                strcpy(sent->version, "1.2.3");
        }
        memset(sent->version, 'x', sizeof(sent->version));
        struct lowport *lp = start(fake);

        assert_int_equal(lowport_status(lp, &status, sizeof(status)), 0);
        assert_int_equal(status.granted, 5);
        assert_int_equal(status.workers_per_user, 9);
        assert_string_equal(status.version, "1.2.3");
        assert_int_equal(lowport_rule(lp, NULL, NULL), 0);

        memset(&status, 0x55, sizeof(status));
        assert_int_equal(lowport_status(lp, &status, 16), 0);
        assert_int_equal(status.granted, 5);
        assert_int_equal(status.denied, 0x5555555555555555);
        memset(&large, 0x55, sizeof(large));
        assert_int_equal(lowport_status(lp, (struct lowport_status *)(void *)&large, sizeof(large)),
                         0);
        assert_int_equal(large.more[7], 0);
        assert_failed(lp, lowport_status(lp, &status, sizeof(status)), EPROTO, LOWPORT_BAD_REPLY);
        stop(fake, lp);
        assert_int_equal(fake->requests[0].operation, WIRE_STATUS);
        assert_int_equal(fake->requests[0].protocol, 0);
}

static void without_descriptors_left_the_errno_says_so(void **state) {
        struct fake *fake = *state;
        struct rlimit limit, tight;
        int more[16]; /* poll(2) of the fake daemon heeds the limit, too */

        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, EACCES);
        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_GRANT, 0, 0);
        struct lowport *lp = start(fake);

        assert_failed(lp, open_80(lp), EACCES, LOWPORT_NO_RULE);
        for (size_t i = 0; i < 16; i++)
                more[i] = dup(fake->gift);
        /* From here on the next free number is one too high. */
        int next = dup(fake->gift);

        close(next);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        tight = (struct rlimit){ (rlim_t)next, limit.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        int fd = open_80(lp), error = errno;

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        for (size_t i = 0; i < 16; i++)
                close(more[i]);
        errno = error;
        assert_failed(lp, fd, EMFILE, LOWPORT_EXHAUSTED);
        assert_granted(lp, open_80(lp));
        stop(fake, lp);
}

static void a_socket_that_cannot_be_made_is_no_missing_daemon(void **state) {
        struct lowport *lp = lowport_new("/nonexistent");

        (void)state;
        socket_error = EMFILE;
        assert_failed(lp, open_80(lp), EMFILE, LOWPORT_EXHAUSTED);
        assert_string_equal(lowport_message(lp),
                            "resources exhausted: Too many open files; try again later");
        lowport_free(lp);
}

static void every_reason_has_words(void **state) {
        (void)state;
        for (int i = 0; i <= LOWPORT_BIND_FAILED; i++)
                assert_string_not_equal(lowport_reason_text((enum lowport_reason)i),
                                        "unknown reason");
        for (int i = LOWPORT_UNREACHABLE; i <= LOWPORT_BAD_ARGUMENT; i++)
                assert_string_not_equal(lowport_reason_text((enum lowport_reason)i),
                                        "unknown reason");
        assert_string_equal(lowport_reason_text(99), "unknown reason");
        assert_string_equal(lowport_reason_text(LOWPORT_ADDRESS_IN_USE), "address in use");
        assert_int_equal(lowport_reason(NULL), LOWPORT_BAD_ARGUMENT);
        assert_non_null(lowport_message(NULL));
        assert_int_equal(lowport_uid(NULL), UINT32_MAX);
        assert_null(lowport_free(NULL));
}

static void a_pause_doubles_and_ends_at_the_deadline(void **state) {
        struct deadline deadline = deadline_in(50);
        unsigned pause = 10;

        (void)state;
        assert_true(deadline_pause(&deadline, &pause, 15));
        assert_int_equal(pause, 15);
        uint64_t begin = milliseconds();

        pause = 10000;
        assert_true(deadline_pause(&deadline, &pause, 10000));
        assert_in_range(milliseconds() - begin, 0, 1500);
        assert_int_equal(deadline_left(&deadline), 0);
        assert_false(deadline_pause(&deadline, &pause, 10000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_request_says_what_the_call_said),
                TEST(a_zone_is_an_interface),
                TEST(one_connection_serves_several_requests),
                TEST(without_a_handle_each_call_connects),
                TEST(a_denial_names_its_rule),
                TEST(an_answer_writes_nothing_to_a_terminal),
                TEST(messages_say_what_people_want_to_know),
                TEST(an_answer_that_is_none_is_refused),
                TEST(a_check_brings_no_socket),
                TEST(a_fresh_connection_that_is_closed_is_tried_again),
                TEST(a_daemon_that_always_closes_is_left_alone),
                TEST(a_kept_connection_that_was_closed_is_made_again),
                TEST(an_empty_datagram_is_as_good_as_a_close),
                TEST(over_a_limit_the_library_comes_again),
                TEST(over_a_limit_for_long_is_eagain),
                TEST(an_evicted_connection_is_made_again),
                TEST(silence_ends_at_the_timeout),
                TEST(signals_do_not_extend_the_timeout),
                TEST(a_full_backlog_ends_at_the_timeout),
                TEST(no_daemon_is_unreachable),
                TEST(without_ipv6_every_address_is_every_ipv4_one),
                TEST(arguments_are_checked_before_anybody_is_asked),
                TEST(a_path_fits_or_is_refused),
                TEST(a_child_connects_anew),
                TEST(status_is_copied_as_far_as_the_caller_knows_it),
                TEST(without_descriptors_left_the_errno_says_so),
                TEST(a_socket_that_cannot_be_made_is_no_missing_daemon),
                TEST(every_reason_has_words),
                TEST(a_pause_doubles_and_ends_at_the_deadline),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
