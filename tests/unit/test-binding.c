/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "binder/binding.h"
#include "binder/capability.h"
#include "binder/handover.h"

/* Every call is noted, in order, and may be made to fail. What is bound here has port 0, so that the
 * kernel chooses. */
static char trace[512];
static const char *fails; /* the call that fails, as it stands in the trace */
static int error;         /* with this errno */
static unsigned bind_failures;
static bool capable;
static void (*before_bind)(void);
static struct board *board;

static int note(const char *call) {
        (void)strcat(trace, trace[0] != '\0' ? " " : "");
        (void)strcat(trace, call);
        if (fails == NULL || strcmp(fails, call) != 0)
                return 0;
        errno = error;
        return -1;
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __real_fstat(int fd, struct stat *ret);
int __wrap_fstat(int fd, struct stat *ret);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);
long __wrap_syscall(long number, ...);
uint64_t __wrap_board_now(void);

void capability_raise(void) {
        (void)note("raise");
        capable = true;
}

void capability_lower(void) {
        (void)note("lower");
        capable = false;
}

/* An IPv4 socket does for any: options and address are looked at here, not by the kernel. */
int __wrap_socket(int domain, int type, int protocol) {
        char call[64];

        assert_false(capable);
        assert_int_equal(type & SOCK_CLOEXEC, SOCK_CLOEXEC);
        (void)snprintf(call,
                       sizeof(call),
                       "socket=%s,%s,%d",
                       domain == AF_INET6 ? "6" : "4",
                       (type & SOCK_STREAM) != 0 ? "stream" : "dgram",
                       protocol);
        return note(call) < 0 ? -1 : __real_socket(AF_INET, type, 0);
}

int __wrap_fstat(int fd, struct stat *ret) {
        return note("fstat") < 0 ? -1 : __real_fstat(fd, ret);
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
        const char *name = level == SOL_SOCKET && option == SO_REUSEADDR      ? "reuseaddr"
                           : level == IPPROTO_IPV6 && option == IPV6_V6ONLY   ? "v6only"
                           : level == IPPROTO_IPV6 && option == IPV6_FREEBIND ? "freebind6"
                           : level == IPPROTO_IP && option == IP_FREEBIND     ? "freebind4"
                                                                              : "unexpected";
        char call[32];

        (void)fd;
        assert_false(capable);
        assert_int_equal(size, sizeof(int));
        (void)snprintf(call, sizeof(call), "%s=%d", name, *(const int *)value);
        return note(call);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size) {
        static const struct sockaddr_in any = { .sin_family = AF_INET };

        assert_true(capable);
        assert_int_equal(size,
                         address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : sizeof(struct sockaddr_in));
        if (before_bind != NULL)
                before_bind();
        if (note("bind") < 0 && bind_failures > 0) {
                bind_failures--;
                return -1;
        }
        return __real_bind(fd, (const struct sockaddr *)&any, sizeof(any));
}

int __wrap_listen(int fd, int backlog) {
        char call[32];

        assert_false(capable);
        (void)snprintf(call, sizeof(call), "listen=%d", backlog);
        return note(call) < 0 ? -1 : __real_listen(fd, backlog);
}

/* Waiting for a hand-over takes its time at once. */
static uint64_t now;

uint64_t __wrap_board_now(void) {
        return now;
}

long __wrap_syscall(long number, ...) {
        va_list arguments;

        assert_int_equal(number, SYS_futex);
        va_start(arguments, number);
        (void)va_arg(arguments, void *);
        if (va_arg(arguments, int) == FUTEX_WAIT)
                now += 1000;
        va_end(arguments);
        return 0;
}

static int make_board(void **state) {
        static const struct orders orders = { .workers = 2 };

        (void)state;
        trace[0] = '\0';
        fails = NULL;
        before_bind = NULL;
        bind_failures = UINT32_MAX;
        now = 1000;
        board = board_new(&orders);
        if (board != NULL)
                board->used = 2;
        return board == NULL;
}

static struct request make_request(uint8_t protocol, uint8_t family, uint32_t flags) {
        return (struct request){
                .operation = WIRE_OPEN,
                .port = 80,
                .protocol = protocol,
                .flags = flags,
                .backlog = 17,
                .address = { .family = family },
        };
}

/* Opens, expects success and the calls made, and closes. */
static void expect_calls(uint8_t protocol, uint8_t family, uint32_t flags, const char *calls) {
        struct request request = make_request(protocol, family, flags);
        size_t before = fixture_count_fds();
        struct slot *slot = &board->slots[0];
        uint64_t inode;
        int fd;

        trace[0] = '\0';
        assert_int_equal(binding_open(board, slot, &request, &fd, &inode), 0);
        assert_string_equal(trace, calls);
        assert_int_equal(slot->handing, 80);
        binding_hand_over(board, slot, fd);
        assert_int_equal(slot->handing, 0);
        assert_int_equal(fixture_count_fds(), before);
}

static void options_are_as_asked(void **state) {
        const uint32_t freebind = LOWPORT_FREEBIND;

        (void)state;
        expect_calls(IPPROTO_TCP,
                     ADDRESS_V4,
                     0,
                     "socket=4,stream,6 fstat reuseaddr=1 raise bind lower listen=17");
        expect_calls(IPPROTO_TCP,
                     ADDRESS_V6,
                     0,
                     "socket=6,stream,6 fstat reuseaddr=1 v6only=0 raise bind lower listen=17");
        expect_calls(IPPROTO_TCP,
                     ADDRESS_V6,
                     LOWPORT_V6ONLY,
                     "socket=6,stream,6 fstat reuseaddr=1 v6only=1 raise bind lower listen=17");
        expect_calls(IPPROTO_SCTP,
                     ADDRESS_V4,
                     0,
                     "socket=4,stream,132 fstat reuseaddr=1 raise bind lower listen=17");
        expect_calls(IPPROTO_UDP,
                     ADDRESS_V4,
                     freebind,
                     "socket=4,dgram,17 fstat freebind4=1 raise bind lower");
        expect_calls(IPPROTO_UDP,
                     ADDRESS_V6,
                     freebind,
                     "socket=6,dgram,17 fstat v6only=0 freebind6=1 raise bind lower");
}

/* Two sockets that are bound with SO_REUSEADDR and do not listen would share the port. */
static void only_what_listens_reuses_its_address(void **state) {
        (void)state;
        expect_calls(IPPROTO_TCP,
                     ADDRESS_V4,
                     LOWPORT_NO_LISTEN,
                     "socket=4,stream,6 fstat raise bind lower");
        expect_calls(IPPROTO_UDP, ADDRESS_V4, 0, "socket=4,dgram,17 fstat raise bind lower");
}

static void the_socket_is_the_one_told_of(void **state) {
        struct request request = make_request(IPPROTO_TCP, ADDRESS_V4, 0);
        struct stat stat;
        uint64_t inode;
        int fd, listens = 0;
        socklen_t size = sizeof(listens);

        (void)state;
        assert_int_equal(binding_open(board, &board->slots[0], &request, &fd, &inode), 0);
        assert_int_equal(__real_fstat(fd, &stat), 0);
        assert_int_equal(inode, stat.st_ino);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size), 0);
        assert_int_equal(listens, 1);
        binding_hand_over(board, &board->slots[0], fd);
}

/* Whatever fails: the errno is the kernel's, nothing is left open, the capability is down, and
 * nothing is done after it. */
static void every_failure_is_told_and_leaves_nothing(void **state) {
        static const struct {
                const char *call;
                int error;
        } cases[] = {
                { "socket=6,stream,6", EAFNOSUPPORT },
                { "socket=6,stream,6", EMFILE },
                { "fstat", EOVERFLOW },
                { "reuseaddr=1", ENOPROTOOPT },
                { "v6only=1", EINVAL },
                { "freebind6=1", EPERM },
                { "bind", EADDRINUSE },
                { "bind", EADDRNOTAVAIL },
                { "bind", EACCES },
                { "bind", ENOMEM },
                { "listen=17", EADDRINUSE },
                { "listen=17", ENOBUFS },
        };
        struct request request =
                make_request(IPPROTO_TCP, ADDRESS_V6, LOWPORT_V6ONLY | LOWPORT_FREEBIND);

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                size_t before = fixture_count_fds(), length = strlen(cases[i].call);
                uint64_t inode = 4711;
                int fd = 4711;

                trace[0] = '\0';
                fails = cases[i].call;
                error = cases[i].error;
                assert_int_equal(binding_open(board, &board->slots[0], &request, &fd, &inode),
                                 -cases[i].error);
                assert_int_equal(fd, 4711); /* written on success only */
                assert_int_equal(inode, 4711);
                assert_int_equal(fixture_count_fds(), before);
                assert_int_equal(board->slots[0].handing, 0);
                assert_false(capable);
                if (strcmp(fails, "bind") == 0)
                        assert_non_null(strstr(trace, "raise bind lower"));
                else
                        assert_string_equal(trace + strlen(trace) - length, fails);
        }
}

/* ---- hand-overs of the same port ---- */

static void end_the_others_handover(void) {
        handover_end(board, &board->slots[1]);
}

static void a_bind_is_tried_again_after_a_handover(void **state) {
        (void)state;
        board->slots[1].handing = 80;
        before_bind = end_the_others_handover;
        fails = "bind";
        error = EADDRINUSE;
        bind_failures = 1;
        expect_calls(IPPROTO_UDP,
                     ADDRESS_V4,
                     0,
                     "socket=4,dgram,17 fstat raise bind lower raise bind lower");
}

static void expect_binds(int bind_error, const char *calls) {
        struct request request = make_request(IPPROTO_UDP, ADDRESS_V4, 0);
        uint64_t inode;
        int fd;

        trace[0] = '\0';
        fails = "bind";
        error = bind_error;
        assert_int_equal(binding_open(board, &board->slots[0], &request, &fd, &inode), -bind_error);
        assert_string_equal(trace, calls);
}

static void without_a_handover_it_is_tried_once(void **state) {
        (void)state;
        board->slots[1].handing = 81;
        expect_binds(EADDRINUSE, "socket=4,dgram,17 fstat raise bind lower");
        board->slots[1].handing = 80;
        expect_binds(EADDRNOTAVAIL, "socket=4,dgram,17 fstat raise bind lower");
        assert_int_equal(now, 1000);
}

static void a_handover_that_never_ends_is_given_up(void **state) {
        (void)state;
        board->slots[1].handing = 80;
        expect_binds(EADDRINUSE, "socket=4,dgram,17 fstat raise bind lower raise bind lower");
        assert_int_equal(now, 2000);
}

#define TEST(name) cmocka_unit_test_setup(name, make_board)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(options_are_as_asked),
                TEST(only_what_listens_reuses_its_address),
                TEST(the_socket_is_the_one_told_of),
                TEST(every_failure_is_told_and_leaves_nothing),
                TEST(a_bind_is_tried_again_after_a_handover),
                TEST(without_a_handover_it_is_tried_once),
                TEST(a_handover_that_never_ends_is_given_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
