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
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include "client/own.h"
#include "common/cleanup.h"
#include "common/endpoint.h"

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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_daemon_is_for_eacces_of_an_ip_address_with_a_port),
                cmocka_unit_test(what_is_to_be_bound_has_a_name),
                cmocka_unit_test(without_a_daemon_bind_s_error_stands_and_the_handle_says_why),
                cmocka_unit_test(a_path_too_long_is_no_daemon),
                cmocka_unit_test(what_is_no_ip_socket_keeps_bind_s_error),
                cmocka_unit_test(a_thread_may_be_cancelled_afterwards_as_before),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
