/* SPDX-License-Identifier: MIT */

/* What stands in for bind(2): which failures it takes up, how it names them, and which errno it
 * leaves where there is no daemon. tests/system has the rest. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/own.h"
#include "common/cleanup.h"
#include "common/endpoint.h"
#include "fake-daemon.h"

/* What bind(2) says in this program; 0: what the kernel says. */
static atomic_int bind_error;

int __real_bind(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length);

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length) {
        int error = atomic_load(&bind_error);

        if (error == 0)
                return __real_bind(fd, address, length);
        errno = error;
        return -1;
}

static struct sockaddr_storage ip(const char *text, uint16_t port) {
        struct sockaddr_storage storage = { 0 };
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
        struct sockaddr_in *in = (struct sockaddr_in *)&storage;

        if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
                in->sin_family = AF_INET;
                in->sin_port = htons(port);
        } else {
                assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
                in6->sin6_family = AF_INET6;
                in6->sin6_port = htons(port);
        }
        return storage;
}

static bool helps(int error, const char *text, uint16_t port, size_t length) {
        struct sockaddr_storage address = ip(text, port);

        return own_may_help(error, (const struct sockaddr *)&address, (socklen_t)length);
}

static void the_daemon_is_for_eacces_of_an_ip_address_with_a_port(void **state) {
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/etc/x" };

        (void)state;
        assert_true(helps(EACCES, "0.0.0.0", 80, sizeof(struct sockaddr_in)));
        assert_true(helps(EACCES, "::", 80, sizeof(struct sockaddr_storage)));
        assert_true(helps(EACCES, "::", 80, offsetof(struct sockaddr_in6, sin6_scope_id)));
        assert_false(helps(EADDRINUSE, "0.0.0.0", 80, sizeof(struct sockaddr_in)));
        assert_false(helps(0, "0.0.0.0", 80, sizeof(struct sockaddr_in)));
        assert_false(helps(EACCES, "0.0.0.0", 0, sizeof(struct sockaddr_in)));
        assert_false(helps(EACCES, "0.0.0.0", 80, sizeof(struct sockaddr_in) - 1));
        assert_false(helps(EACCES, "::", 80, sizeof(struct sockaddr_in)));
        assert_false(own_may_help(EACCES, (const struct sockaddr *)&un, sizeof(un)));
}

static void expect_text(int family, int type, int v6only, const char *address, const char *text) {
        struct sockaddr_storage storage = ip(address, 80);
        _cleanup_fd_ int fd = socket(family, type, 0);
        char found[ENDPOINT_TEXT_MAX];

        assert_true(fd >= 0);
        if (family == AF_INET6)
                assert_return_code(
                        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)), errno);
        own_describe(fd, (const struct sockaddr *)&storage, sizeof(storage), found, sizeof(found));
        assert_string_equal(found, text);
}

static void what_is_to_be_bound_has_a_name(void **state) {
        (void)state;
        expect_text(AF_INET, SOCK_STREAM, 0, "0.0.0.0", "tcp 0.0.0.0:80");
        expect_text(AF_INET, SOCK_DGRAM, 0, "127.0.0.1", "udp 127.0.0.1:80");
        expect_text(AF_INET6, SOCK_STREAM, 0, "::", "tcp [::]:80");
        expect_text(AF_INET6, SOCK_STREAM, 1, "::", "tcp6 [::]:80");
        expect_text(AF_UNIX, SOCK_STREAM, 0, "127.0.0.1", "?");
}

static int keep(struct lowport *lp, const char *path, int fd) {
        struct sockaddr_storage address = ip("127.0.0.1", 80);

        memset(lp, 0xa5, sizeof(*lp)); /* it need not be initialised */
        return own_bind_or_keep(lp, path, fd, (const struct sockaddr *)&address, sizeof(address));
}

static void without_a_daemon_bind_s_error_stands_and_the_handle_says_why(void **state) {
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct lowport lp;

        (void)state;
        assert_int_equal(keep(&lp, "/nobody/is/here", fd), -EACCES);
        assert_int_equal(lowport_reason(&lp), LOWPORT_UNREACHABLE);
        assert_string_equal(lowport_message(&lp),
                            "no daemon can be reached at /nobody/is/here: "
                            "No such file or directory");
        assert_int_equal(lp.connection.fd, -1);
}

static void a_path_too_long_is_no_daemon(void **state) {
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM, 0);
        char path[200] = { 0 };
        struct lowport lp;

        (void)state;
        memset(path, 'x', sizeof(path) - 1);
        assert_int_equal(keep(&lp, path, fd), -EACCES);
        assert_int_equal(lowport_reason(&lp), LOWPORT_BAD_ARGUMENT);
        assert_non_null(strstr(lowport_message(&lp), "too long"));
}

static void what_is_no_ip_socket_keeps_bind_s_error(void **state) {
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        struct lowport lp;

        (void)state;
        assert_int_equal(keep(&lp, "/nobody/is/here", fd), -EACCES);
        assert_int_equal(lowport_reason(&lp), LOWPORT_BAD_ARGUMENT);
}

static void a_thread_may_be_cancelled_afterwards_as_before(void **state) {
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct lowport lp;
        int before = -1;

        (void)state;
        for (int i = 0; i < 2; i++) {
                int want = i == 0 ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE;

                (void)pthread_setcancelstate(want, &before);
                (void)keep(&lp, "/nobody/is/here", fd);
                (void)pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
                assert_int_equal(before, want);
        }
}

/* ---- lowport_bind(), and a daemon that does as it is told ---- */

enum { ERRNO_BEFORE = EXDEV };

static size_t descriptors_before;

static int set_up(void **state) {
        static struct fake fake;

        descriptors_before = count_descriptors();
        fake_init(&fake);
        assert_return_code(setenv("LOWPORT_OWN_SOCKET", fake.path, 1), errno);
        *state = &fake;
        return 0;
}

/* Whatever a test did, the library has kept nothing. */
static int tear_down(void **state) {
        atomic_store(&bind_error, 0);
        fake_done(*state);
        return count_descriptors() == descriptors_before ? 0 : -1;
}

/* A port that nobody has: it needs no privilege, but here bind(2) says otherwise. */
static struct sockaddr_storage spare(const char *address) {
        struct sockaddr_storage storage = ip(address, 0);
        socklen_t length = sizeof(storage);
        _cleanup_fd_ int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_return_code(__real_bind(fd, (const struct sockaddr *)&storage, length), errno);
        assert_return_code(getsockname(fd, (struct sockaddr *)&storage, &length), errno);
        return storage;
}

/* Binds, and looks at errno: a success leaves it alone. Returns 0 or the errno. */
static int try_bind(int fd, const struct sockaddr_storage *address, size_t length) {
        errno = ERRNO_BEFORE;
        if (lowport_bind(fd, (const struct sockaddr *)address, (socklen_t)length) < 0)
                return errno;
        assert_int_equal(errno, ERRNO_BEFORE);
        return 0;
}

/* The same with a socket for this once. */
static int try_once(int family, int type, const struct sockaddr_storage *address, size_t length) {
        _cleanup_fd_ int fd = socket(family, type | SOCK_CLOEXEC, 0);
        int error = try_bind(fd, address, length);

        assert_int_equal(own_bound_port(fd) != 0, error == 0);
        return error;
}

static void what_bind_can_do_or_cannot_is_not_asked_for(void **state) {
        static const int errors[] = { EADDRINUSE, EADDRNOTAVAIL, EINVAL, EBADF, ENOTSOCK,
                                      EFAULT,     EAFNOSUPPORT,  EPERM,  ENOMEM };
        struct sockaddr_storage v4 = spare("127.0.0.1");
        struct fake *fake = *state;
        struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/x" };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        fake_start(fake);
        assert_int_equal(try_once(AF_INET, SOCK_STREAM, &v4, sizeof(v4)), 0);
        for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
                atomic_store(&bind_error, errors[i]);
                assert_int_equal(try_once(AF_INET, SOCK_STREAM, &v4, sizeof(v4)), errors[i]);
        }
        atomic_store(&bind_error, EACCES);
        assert_int_equal(lowport_bind(fd, (const struct sockaddr *)&un, sizeof(un)), -1);
        assert_int_equal(errno, EACCES);
        assert_int_equal(try_once(AF_INET, SOCK_STREAM, &v4, 15), EACCES);
        fake_stop(fake);
        assert_int_equal(fake->n_connections, 0);
}

/* Each is a CHECK, and then an OWN with the socket, on one connection. */
static void the_daemon_is_asked_for_what_the_socket_is(void **state) {
        static const struct {
                int family, type;
                const char *address;
                size_t length;
                int v6only;
                uint8_t protocol;
        } cases[] = {
                { AF_INET, SOCK_STREAM, "127.0.0.1", 16, 0, IPPROTO_TCP },
                { AF_INET, SOCK_DGRAM, "127.0.0.1", 128, 0, IPPROTO_UDP },
                { AF_INET6, SOCK_STREAM, "::1", 28, 1, IPPROTO_TCP },
                { AF_INET6, SOCK_DGRAM, "::1", 24, 0, IPPROTO_UDP },
                { AF_INET6, SOCK_STREAM, "::1", 128, 0, IPPROTO_TCP },
        };
        struct fake *fake = *state;
        struct sockaddr_storage address = spare("127.0.0.1");
        uint16_t port = ntohs(((struct sockaddr_in *)&address)->sin_port);

        for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++)
                fake_add(fake, ACT_BIND, LOWPORT_GRANTED, 0);
        fake_start(fake);
        atomic_store(&bind_error, EACCES);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                _cleanup_fd_ int fd = socket(cases[i].family, cases[i].type | SOCK_CLOEXEC, 0);

                address = ip(cases[i].address, port);
                if (cases[i].family == AF_INET6)
                        assert_return_code(setsockopt(fd,
                                                      IPPROTO_IPV6,
                                                      IPV6_V6ONLY,
                                                      &cases[i].v6only,
                                                      sizeof(int)),
                                           errno);
                assert_int_equal(try_bind(fd, &address, cases[i].length), 0);
                assert_int_equal(own_bound_port(fd), port);
        }
        fake_stop(fake);
        assert_int_equal(fake->n_connections, sizeof(cases) / sizeof(cases[0]));
        for (size_t i = 0; i < fake->n_requests; i++) {
                const struct wire_request *request = &fake->requests[i];

                assert_int_equal(request->operation, i % 2 == 0 ? WIRE_CHECK : WIRE_OWN);
                assert_int_equal(fake->passed[i], i % 2);
                assert_int_equal(request->protocol, cases[i / 2].protocol);
                assert_int_equal(request->family, cases[i / 2].family == AF_INET ? 4 : 6);
                assert_int_equal(request->flags, cases[i / 2].v6only ? LOWPORT_V6ONLY : 0);
                assert_int_equal(request->port, port);
                assert_int_equal(request->backlog, 0);
        }
}

/* bind(2) takes it for AF_INET, and so does the daemon get it. */
static void no_family_and_no_address_is_every_ipv4_address(void **state) {
        struct sockaddr_storage address = ip("0.0.0.0", 80);
        struct fake *fake = *state;

        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, EACCES);
        fake_start(fake);
        atomic_store(&bind_error, EACCES);
        address.ss_family = AF_UNSPEC;
        assert_int_equal(try_once(AF_INET, SOCK_STREAM, &address, sizeof(struct sockaddr_in)),
                         EACCES);
        fake_stop(fake);
        assert_int_equal(fake->n_requests, 1);
        assert_int_equal(fake->requests[0].family, ADDRESS_V4);
}

static void the_errno_is_the_true_one_or_bind_s_own(void **state) {
        static const struct {
                enum lowport_reason reason;
                int answered, seen;
                bool after_check; /* the answer to OWN, not to CHECK */
        } cases[] = {
                { LOWPORT_NO_RULE, EACCES, EACCES, false },
                { LOWPORT_RULE_DENIES, EACCES, EACCES, false },
                { LOWPORT_OTHER_NETNS, EACCES, EACCES, true },
                { LOWPORT_UNMAPPED_USER, EACCES, EACCES, false },
                { LOWPORT_ADDRESS_IN_USE, EADDRINUSE, EADDRINUSE, true },
                { LOWPORT_ADDRESS_NOT_AVAILABLE, EADDRNOTAVAIL, EADDRNOTAVAIL, true },
                { LOWPORT_UNSUITABLE_SOCKET, EINVAL, EINVAL, true },
                { LOWPORT_EXHAUSTED, ENFILE, ENFILE, true },
                { LOWPORT_BIND_FAILED, EAFNOSUPPORT, EAFNOSUPPORT, true },
                /* The daemon was of no help. */
                { LOWPORT_NOT_LOW_PORT, EINVAL, EACCES, false },
                { LOWPORT_UNKNOWN_OPERATION, EOPNOTSUPP, EACCES, true },
                { LOWPORT_MALFORMED, EBADMSG, EACCES, false },
        };
        struct sockaddr_storage address = ip("127.0.0.1", 80);
        struct fake *fake = *state;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                if (cases[i].after_check)
                        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
                fake_add(fake, ACT_REPLY, cases[i].reason, cases[i].answered);
        }
        fake_add(fake, ACT_GRANT, LOWPORT_GRANTED, 0); /* nobody asked for a descriptor */
        fake_start(fake);
        atomic_store(&bind_error, EACCES);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_int_equal(try_once(AF_INET, SOCK_STREAM, &address, sizeof(address)),
                                 cases[i].seen);
        assert_int_equal(try_once(AF_INET, SOCK_STREAM, &address, sizeof(address)), EACCES);
        fake_stop(fake);
        assert_int_equal(fake->n_requests, fake->n_acts);
        assert_int_equal(fake->requests[0].operation, WIRE_CHECK); /* and no OWN after a denial */
        assert_int_equal(fake->requests[1].operation, WIRE_CHECK);
}

static void a_second_bind_is_einval(void **state) {
        struct sockaddr_storage address = spare("127.0.0.1");
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct fake *fake = *state;

        fake_add(fake, ACT_BIND, LOWPORT_GRANTED, 0);
        fake_add(fake, ACT_BIND, LOWPORT_GRANTED, 0);
        fake_start(fake);
        atomic_store(&bind_error, EACCES);
        assert_int_equal(try_bind(fd, &address, sizeof(address)), 0);
        assert_int_equal(try_bind(fd, &address, sizeof(address)), EINVAL);
        fake_stop(fake);
        assert_int_equal(fake->n_requests, 2);
}

/* The socket tells what the daemon cannot say any more. */
static void a_daemon_that_ends_after_the_bind_has_bound(void **state) {
        struct sockaddr_storage address = spare("127.0.0.1");
        struct fake *fake = *state;

        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_add(fake, ACT_BIND_CLOSE, LOWPORT_GRANTED, 0);
        /* The next daemon finds it bound. */
        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_UNSUITABLE_SOCKET, EINVAL);
        fake_start(fake);
        atomic_store(&bind_error, EACCES);
        assert_int_equal(try_once(AF_INET, SOCK_STREAM, &address, sizeof(address)), 0);
        fake_stop(fake);
}

/* A closed connection that is written to. A SIGPIPE would end this program, though Linux has raised
 * none on SOCK_SEQPACKET so far. */
static void a_daemon_that_ends_before_the_bind_is_none(void **state) {
        struct sockaddr_storage address = ip("127.0.0.1", 80);
        struct fake *fake = *state;

        (void)signal(SIGPIPE, SIG_DFL);
        for (size_t i = 0; i < 3; i++)
                fake_add(fake, ACT_REPLY_CLOSE, LOWPORT_GRANTED, 0);
        fake_start(fake);
        atomic_store(&bind_error, EACCES);
        assert_int_equal(try_once(AF_INET, SOCK_STREAM, &address, sizeof(address)), EACCES);
        fake_stop(fake);
        assert_int_equal(fake->n_connections, 3);
}

enum { THREADS = 8 };

static void *bind_in_thread(void *argument) {
        struct sockaddr_storage *address = argument;

        for (int i = 0; i < 2; i++)
                assert_int_equal(try_once(AF_INET, SOCK_STREAM, address, sizeof(*address)), 0);
        return NULL;
}

static void threads_do_not_disturb_each_other(void **state) {
        struct sockaddr_storage addresses[THREADS];
        pthread_t threads[THREADS];
        struct fake *fake = *state;
        char text[16];

        for (int i = 0; i < 4 * THREADS; i++)
                fake_add(fake, ACT_BIND, LOWPORT_GRANTED, 0);
        fake_start(fake);
        for (int i = 0; i < THREADS; i++) {
                (void)snprintf(text, sizeof(text), "127.0.0.%d", i + 1);
                addresses[i] = spare(text);
        }
        atomic_store(&bind_error, EACCES);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, bind_in_thread, &addresses[i]),
                                 0);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        fake_stop(fake);
        assert_int_equal(fake->n_requests, 4 * THREADS);
}

static void parent_and_child_both_bind(void **state) {
        struct sockaddr_storage first = spare("127.0.0.1"), second = spare("127.0.0.2");
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct fake *fake = *state;
        int status;
        pid_t pid;

        for (size_t i = 0; i < 4; i++)
                fake_add(fake, ACT_BIND, LOWPORT_GRANTED, 0);
        fake_start(fake);
        atomic_store(&bind_error, EACCES);
        pid = fork();
        if (pid == 0)
                _exit(lowport_bind(fd, (const struct sockaddr *)&first, sizeof(first)) == 0 ? 0
                                                                                            : 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_int_not_equal(own_bound_port(fd), 0); /* the socket is the parent's as well */
        assert_int_equal(try_once(AF_INET, SOCK_STREAM, &second, sizeof(second)), 0);
        fake_stop(fake);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_daemon_is_for_eacces_of_an_ip_address_with_a_port),
                cmocka_unit_test(what_is_to_be_bound_has_a_name),
                cmocka_unit_test(without_a_daemon_bind_s_error_stands_and_the_handle_says_why),
                cmocka_unit_test(a_path_too_long_is_no_daemon),
                cmocka_unit_test(what_is_no_ip_socket_keeps_bind_s_error),
                cmocka_unit_test(a_thread_may_be_cancelled_afterwards_as_before),
                TEST(what_bind_can_do_or_cannot_is_not_asked_for),
                TEST(the_daemon_is_asked_for_what_the_socket_is),
                TEST(no_family_and_no_address_is_every_ipv4_address),
                TEST(the_errno_is_the_true_one_or_bind_s_own),
                TEST(a_second_bind_is_einval),
                TEST(a_daemon_that_ends_after_the_bind_has_bound),
                TEST(a_daemon_that_ends_before_the_bind_is_none),
                TEST(threads_do_not_disturb_each_other),
                TEST(parent_and_child_both_bind),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
