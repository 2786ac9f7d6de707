/* SPDX-License-Identifier: MIT */

/* service-plain.c, whatever lowportd itself is built with. */

#include "daemon-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lowportd/service.h"

enum { FIRST = 3 };

/* Descriptors 3 and 4 are the test's, so that nothing else comes to lie there. */
static int place_descriptors(void **state) {
        (void)state;
        for (int fd = FIRST; fd < FIRST + 2; fd++) {
                int null = open("/dev/null", O_RDONLY);

                if (null < 0 || (null != fd && (dup2(null, fd) < 0 || close(null) < 0)))
                        return -1;
        }
        return 0;
}

static int clear(void **state) {
        static const char *const names[] = {
                "LISTEN_PID",    "LISTEN_FDS",   "LISTEN_FDNAMES",
                "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                (void)unsetenv(names[i]);
        for (int fd = FIRST; fd < FIRST + 2; fd++)
                (void)fcntl(fd, F_SETFD, 0);
        return 0;
}

static void set_pid(const char *name, int distance) {
        char text[16];

        (void)snprintf(text, sizeof(text), "%d", getpid() + distance);
        (void)setenv(name, text, 1);
}

/* ---- sockets ---- */

static int take(const char *count, const char *names, char ***ret_names) {
        int base = 0, n;

        (void)setenv("LISTEN_FDS", count, 1);
        if (names != NULL)
                (void)setenv("LISTEN_FDNAMES", names, 1);
        n = service_take_sockets(&base, ret_names);
        assert_int_equal(base, FIRST);
        return n;
}

static void sockets_are_taken_once(void **state) {
        char **names;

        (void)state;
        set_pid("LISTEN_PID", 0);
        assert_int_equal(take("2", NULL, &names), 2);
        assert_null(names);
        assert_int_equal(fcntl(FIRST, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(FIRST + 1, F_GETFD), FD_CLOEXEC);
        assert_null(getenv("LISTEN_FDS")); /* not for our children */
        assert_null(getenv("LISTEN_PID"));
        assert_int_equal(take("2", NULL, &names), 0);
}

static void names_go_with_their_sockets(void **state) {
        static const struct {
                const char *text, *first, *second;
        } cases[] = {
                { "open:own", "open", "own" }, { "open", "open", "" },
                { ":own", "", "own" },         { "", "", "" },
                { "a:b:c", "a", "b" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                char **names;

                set_pid("LISTEN_PID", 0);
                assert_int_equal(take("2", cases[i].text, &names), 2);
                assert_string_equal(names[0], cases[i].first);
                assert_string_equal(names[1], cases[i].second);
                assert_null(getenv("LISTEN_FDNAMES"));
                free(names[0]);
                free(names[1]);
                free((void *)names);
        }
}

static void sockets_for_somebody_else_are_left(void **state) {
        char **names;

        (void)state;
        assert_int_equal(take("2", NULL, &names), 0);
        set_pid("LISTEN_PID", 1);
        assert_int_equal(take("2", "open:own", &names), 0);
        assert_null(names);
        assert_int_equal(fcntl(FIRST, F_GETFD), 0);
}

static void counts_that_are_none(void **state) {
        static const char *const counts[] = {
                "", "x", "2x", " 2", "-1", "+2", "0", "1025", "99999999999999999999",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
                char **names;

                set_pid("LISTEN_PID", 0);
                assert_int_equal(take(counts[i], NULL, &names), 0);
        }
        assert_int_equal(fcntl(FIRST, F_GETFD), 0);
}

static void a_socket_that_is_not_there_is_an_error(void **state) {
        char **names;

        (void)state;
        set_pid("LISTEN_PID", 0);
        assert_int_equal(take("1000", NULL, &names), -EBADF);
}

/* ---- notifications ---- */

static int make_receiver(const struct sockaddr_un *address, size_t length) {
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(fd,
                              (const struct sockaddr *)address,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                         0);
        return fd;
}

static void expect_notification(int fd) {
        char got[64];

        service_notify("READY=1\nSTATUS=here");
        assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 19);
        assert_memory_equal(got, "READY=1\nSTATUS=here", 19);
        close(fd);
}

static void notifications_go_to_a_path_or_a_name(void **state) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char directory[64], name[64];

        (void)state;
        fixture_make_directory(directory);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", directory);
        (void)setenv("NOTIFY_SOCKET", address.sun_path, 1);
        expect_notification(make_receiver(&address, strlen(address.sun_path) + 1));

        (void)snprintf(name, sizeof(name), "@lowport-test-%d", getpid());
        (void)setenv("NOTIFY_SOCKET", name, 1);
        memcpy(address.sun_path, name, strlen(name));
        address.sun_path[0] = '\0';
        expect_notification(make_receiver(&address, strlen(name)));
        fixture_remove_directory(directory);
}

static void nobody_to_notify_is_no_trouble(void **state) {
        static char longer[200];
        const char *const places[] = { "", "/", "@", "relative", "/nowhere/at/all", longer };
        size_t before = fixture_count_fds();

        (void)state;
        service_notify("READY=1");
        memset(longer, 'x', sizeof(longer) - 1);
        longer[0] = '/';
        for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
                (void)setenv("NOTIFY_SOCKET", places[i], 1);
                service_notify("READY=1");
        }
        assert_int_equal(fixture_count_fds(), before);
}

/* ---- watchdog ---- */

static void the_watchdog_has_an_interval(void **state) {
        (void)state;
        assert_int_equal(service_watchdog(), 0);
        (void)setenv("WATCHDOG_USEC", "30000000", 1);
        assert_int_equal(service_watchdog(), 30000000);
        set_pid("WATCHDOG_PID", 0);
        assert_int_equal(service_watchdog(), 30000000);
        set_pid("WATCHDOG_PID", 1);
        assert_int_equal(service_watchdog(), 0);
        set_pid("WATCHDOG_PID", 0);
        (void)setenv("WATCHDOG_USEC", "-5", 1);
        assert_int_equal(service_watchdog(), 0);
        (void)setenv("WATCHDOG_USEC", "soon", 1);
        assert_int_equal(service_watchdog(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clear, clear)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(sockets_are_taken_once),
                TEST(names_go_with_their_sockets),
                TEST(sockets_for_somebody_else_are_left),
                TEST(counts_that_are_none),
                TEST(a_socket_that_is_not_there_is_an_error),
                TEST(notifications_go_to_a_path_or_a_name),
                TEST(nobody_to_notify_is_no_trouble),
                TEST(the_watchdog_has_an_interval),
        };

        return cmocka_run_group_tests(tests, place_descriptors, NULL);
}
