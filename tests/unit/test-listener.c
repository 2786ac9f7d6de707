/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lowportd/listener.h"
#include "lowportd/service.h"

enum { BASE = 50 }; /* where the sockets lie that the service manager passes */

static char directory[64], path[80];
static const char *said; /* by the last listeners_open() */

/* What the service manager passes. */
static struct {
        int count;
        bool named;
        const char *names[2];
} passed;

int __wrap_service_take_sockets(int *ret_base, char ***ret_names);

int __wrap_service_take_sockets(int *ret_base, char ***ret_names) {
        *ret_base = BASE;
        *ret_names = NULL;
        if (passed.count > 0 && passed.named) {
                *ret_names = calloc(2, sizeof(**ret_names));
                for (int i = 0; i < passed.count; i++)
                        (*ret_names)[i] = strdup(passed.names[i]);
        }
        return passed.count;
}

static int make_directory(void **state) {
        (void)state;
        memset(&passed, 0, sizeof(passed));
        fixture_make_directory(directory);
        (void)snprintf(path, sizeof(path), "%s/socket", directory);
        return 0;
}

static int remove_directory(void **state) {
        (void)state;
        fixture_remove_directory(directory);
        return 0;
}

static const char *own_at; /* where the own socket is to be; NULL: none is */

static int open_listener(const char *at, struct listeners *ret) {
        int r;

        fixture_capture(STDERR_FILENO);
        r = listeners_open(at, own_at, ret);
        said = fixture_captured();
        return r;
}

static void expect_said(const char *text) {
        if (strstr(said, text) == NULL)
                fail_msg("'%s' is not in: %s", text, said);
}

/* ---- sockets that are passed ---- */

/* Puts a socket at BASE + `i`, listening on `name` of the directory or (NULL) only made. */
static void pass(int i, int type, const char *name) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void)snprintf(address.sun_path,
                       sizeof(address.sun_path),
                       "%s/%s",
                       directory,
                       name != NULL ? name : "unbound");
        if (name != NULL) {
                assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
                assert_int_equal(listen(fd, 1), 0);
        }
        assert_int_equal(dup2(fd, BASE + i), BASE + i);
        close(fd);
        passed.count = i + 1;
}

static void close_passed(void) {
        for (int i = 0; i < passed.count; i++)
                close(BASE + i);
}

static void expect_taken(const char *name) {
        struct listeners listener;

        passed.named = name != NULL;
        passed.names[0] = name;
        assert_int_equal(open_listener(path, &listener), 0);
        assert_string_equal(said, "");
        assert_int_equal(listener.open.fd, BASE);
        assert_null(listener.open.path); /* not ours to remove */
        assert_int_equal(fcntl(BASE, F_GETFL) & O_NONBLOCK, 0);
        assert_int_not_equal(access(path, F_OK), 0);
        listeners_remove(&listener);
}

static void a_passed_socket_is_taken_by_its_name(void **state) {
        (void)state;
        pass(0, SOCK_SEQPACKET, "a");
        expect_taken("open");
        expect_taken(NULL); /* not every service manager gives names */
        expect_taken("");
        expect_taken("unknown");
        close_passed();
        assert_int_equal(unlink(strcat(strcpy(path, directory), "/a")), 0);
}

static void expect_refused(const char *name, const char *words) {
        struct listeners listener;

        passed.named = name != NULL;
        passed.names[0] = name;
        assert_int_equal(open_listener(path, &listener), -EINVAL);
        expect_said(words);
}

static void a_passed_socket_must_be_what_it_should(void **state) {
        (void)state;
        pass(0, SOCK_SEQPACKET, "good");
        expect_refused("web", "a socket named 'web' was passed; expected one named 'open'");
        pass(0, SOCK_STREAM, "stream");
        expect_refused("open", "SOCK_SEQPACKET");
        pass(0, SOCK_SEQPACKET, NULL);
        expect_refused("open", "not one listening");
        assert_int_equal(dup2(STDIN_FILENO, BASE), BASE);
        expect_refused(NULL, "not one listening");
        close_passed();
}

static void each_socket_is_passed_once(void **state) {
        (void)state;
        pass(0, SOCK_SEQPACKET, "a");
        pass(1, SOCK_SEQPACKET, "b");
        passed.names[1] = "open";
        expect_refused("open", "not one listening");
        passed.names[1] = "third";
        expect_refused("open", "named 'third'");
        expect_refused(NULL, "named ''");
        close_passed();
}

static void both_sockets_are_passed(void **state) {
        struct listeners listeners;

        (void)state;
        pass(0, SOCK_SEQPACKET, "a");
        pass(1, SOCK_SEQPACKET, "b");
        passed.named = true;
        passed.names[0] = "own";
        passed.names[1] = "open";
        assert_int_equal(open_listener(path, &listeners), 0);
        assert_int_equal(listeners.own.fd, BASE);
        assert_int_equal(listeners.open.fd, BASE + 1);

        /* Either is enough: there are hosts that serve one mode only. */
        passed.count = 1;
        assert_int_equal(open_listener(path, &listeners), 0);
        assert_int_equal(listeners.own.fd, BASE);
        assert_int_equal(listeners.open.fd, -1);
        assert_int_not_equal(access(path, F_OK), 0); /* and the other is not made */
        passed.count = 2;
        close_passed();
}

static void a_failure_to_take_them_is_told(void **state) {
        struct listeners listener;

        (void)state;
        passed.count = -ENOMEM;
        assert_int_equal(open_listener(path, &listener), -ENOMEM);
        expect_said("Cannot allocate memory");
}

/* ---- sockets that are made ---- */

static void a_socket_is_made_for_everybody(void **state) {
        struct listeners listener;
        struct stat st;
        mode_t mask = umask(077);

        (void)state;
        assert_int_equal(open_listener(path, &listener), 0);
        (void)umask(mask);
        assert_true(listener.open.fd >= 0);
        assert_int_equal(fcntl(listener.open.fd, F_GETFD), FD_CLOEXEC);
        assert_string_equal(listener.open.path, path);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 0777, 0666);
        listeners_close(&listener);
        assert_int_equal(listener.open.fd, -1);
        listeners_remove(&listener);
        assert_null(listener.open.path);
        assert_int_not_equal(access(path, F_OK), 0);
}

static bool is_root_without_group(void) {
        return geteuid() == 0 && getgrnam("lowport") == NULL;
}

/* What is sent there may hold the daemon up, so it is for some only. */
static void the_own_socket_is_made_for_a_group(void **state) {
        struct listeners listeners;
        char own_path[96];
        struct stat st;

        (void)state;
        (void)snprintf(own_path, sizeof(own_path), "%s.own", path);
        own_at = own_path;
        assert_int_equal(open_listener(NULL, &listeners), is_root_without_group() ? -ENOENT : 0);
        own_at = NULL;
        if (is_root_without_group()) {
                expect_said("there is no group lowport");
                return;
        }
        assert_int_equal(listeners.open.fd, -1);
        assert_int_equal(stat(own_path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0660);
        listeners_close(&listeners);
        listeners_remove(&listeners);
        assert_int_not_equal(access(own_path, F_OK), 0);
}

static void what_a_killed_daemon_left_is_replaced(void **state) {
        struct listeners first, second;

        (void)state;
        assert_int_equal(open_listener(path, &first), 0);
        listeners_close(&first);
        assert_int_equal(open_listener(path, &second), 0);
        listeners_close(&second);
        listeners_remove(&first);
        free(second.open.path);
}

static void a_living_daemon_keeps_its_socket(void **state) {
        struct listeners first, second;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void)state;
        assert_int_equal(open_listener(path, &first), 0);
        assert_int_equal(listen(first.open.fd, 0), 0);
        assert_int_equal(open_listener(path, &second), -EADDRINUSE);
        expect_said("another lowportd listens there");

        /* Even when it is so busy that its queue is full: that look is in it already. */
        (void)strcpy(address.sun_path, path);
        assert_int_equal(open_listener(path, &second), -EADDRINUSE);
        close(accept(first.open.fd, NULL, NULL));
        assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
        close(client);
        listeners_close(&first);
        listeners_remove(&first);
}

/* A mistyped --socket must not cost a file. */
static void a_file_in_its_place_is_not_removed(void **state) {
        struct listeners listener;
        struct stat st;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), r;

        (void)state;
        close(fd);
        r = open_listener(path, &listener);
        if (r == 0) {
                listeners_close(&listener);
                free(listener.open.path);
        }
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_true(r < 0);
}

static void a_path_must_fit(void **state) {
        struct listeners listener;
        char longer[110];
        size_t length = (size_t)snprintf(longer, sizeof(longer), "%s/", directory);

        (void)state;
        memset(longer + length, 'x', sizeof(longer) - length);
        longer[108] = '\0';
        assert_int_equal(open_listener(longer, &listener), -ENAMETOOLONG);
        expect_said("at most 107 bytes");
        longer[107] = '\0';
        assert_int_equal(open_listener(longer, &listener), 0);
        listeners_close(&listener);
        listeners_remove(&listener);
}

static void a_missing_directory_is_told(void **state) {
        struct listeners listener;

        (void)state;
        (void)strcat(path, "/socket");
        assert_int_equal(open_listener(path, &listener), -ENOENT);
        expect_said("make its directory first");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_passed_socket_is_taken_by_its_name),
                TEST(a_passed_socket_must_be_what_it_should),
                TEST(each_socket_is_passed_once),
                TEST(both_sockets_are_passed),
                TEST(a_failure_to_take_them_is_told),
                TEST(a_socket_is_made_for_everybody),
                TEST(the_own_socket_is_made_for_a_group),
                TEST(what_a_killed_daemon_left_is_replaced),
                TEST(a_living_daemon_keeps_its_socket),
                TEST(a_file_in_its_place_is_not_removed),
                TEST(a_path_must_fit),
                TEST(a_missing_directory_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
