/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* What the C library answers next, and what it was asked. */
static struct {
        int calls, error;
        bool found;
        size_t wants; /* bytes of buffer */
        size_t size;  /* it last got */
        bool services;
} library;

static int answer(size_t size) {
        library.calls++;
        library.size = size;
        if (size < library.wants)
                return ERANGE;
        return library.found ? 0 : library.error;
}

int __wrap_getpwnam_r(const char *, struct passwd *, char *, size_t, struct passwd **);
int __wrap_getgrnam_r(const char *, struct group *, char *, size_t, struct group **);
int __wrap_getservbyname_r(const char *,
                           const char *,
                           struct servent *,
                           char *,
                           size_t,
                           struct servent **);
int __wrap_access(const char *, int);

int __wrap_getpwnam_r(const char *name,
                      struct passwd *entry,
                      char *buffer,
                      size_t size,
                      struct passwd **found) {
        int r = answer(size);

        (void)name;
        (void)buffer;
        entry->pw_uid = 1234;
        *found = r == 0 && library.found ? entry : NULL;
        return r;
}

int __wrap_getgrnam_r(const char *name,
                      struct group *entry,
                      char *buffer,
                      size_t size,
                      struct group **found) {
        int r = answer(size);

        (void)name;
        (void)buffer;
        entry->gr_gid = 5678;
        *found = r == 0 && library.found ? entry : NULL;
        return r;
}

int __wrap_getservbyname_r(const char *name,
                           const char *protocol,
                           struct servent *entry,
                           char *buffer,
                           size_t size,
                           struct servent **found) {
        int r = answer(size);

        (void)name;
        (void)buffer;
        entry->s_port = htons(strcmp(protocol, "tcp") == 0 ? 80 : 81);
        *found = r == 0 && library.found ? entry : NULL;
        return r;
}

int __wrap_access(const char *path, int mode) {
        (void)mode;
        assert_string_equal(path, "/etc/services");
        return library.services ? 0 : -1;
}

static int setup(void **state) {
        struct names *names = NULL;

        memset(&library, 0, sizeof(library));
        library.services = true;
        assert_int_equal(names_new(NULL, &names), 0);
        *state = names;
        return 0;
}

static int teardown(void **state) {
        *state = names_free(*state);
        return 0;
}

static void names_are_asked_once(void **state) {
        uint32_t number = 0;

        library.found = true;
        for (int i = 0; i < 3; i++) {
                assert_int_equal(names_user(*state, "x", &number), 0);
                assert_int_equal(number, 1234);
                assert_int_equal(names_group(*state, "x", &number), 0);
                assert_int_equal(number, 5678);
                assert_int_equal(names_service(*state, "x", "tcp", &number), 0);
                assert_int_equal(number, 80);
                assert_int_equal(names_service(*state, "x", "udp", &number), 0);
                assert_int_equal(number, 81);
        }
        assert_int_equal(library.calls, 4);
        assert_int_equal(names_user(*state, "y", &number), 0);
        assert_int_equal(library.calls, 5);
}

static void unknown_names_are_remembered_too(void **state) {
        uint32_t number = 17;

        assert_int_equal(names_user(*state, "x", &number), NAMES_E_UNKNOWN);
        assert_int_equal(names_user(*state, "x", &number), NAMES_E_UNKNOWN);
        assert_int_equal(number, 17);
        assert_int_equal(library.calls, 1);
}

static void some_errors_mean_unknown(void **state) {
        uint32_t number;

        library.error = ENOENT;
        assert_int_equal(names_user(*state, "a", &number), NAMES_E_UNKNOWN);
        library.error = ESRCH;
        assert_int_equal(names_group(*state, "b", &number), NAMES_E_UNKNOWN);
        library.error = ENOENT;
        assert_int_equal(names_service(*state, "c", "tcp", &number), NAMES_E_UNKNOWN);
}

static void others_mean_that_nobody_knows(void **state) {
        static const int errors[] = { EIO, EMFILE, ENFILE, ENOMEM, EAGAIN, ECONNREFUSED };
        uint32_t number;

        for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
                char name[2] = { (char)('a' + i), '\0' };

                library.error = errors[i];
                assert_int_equal(names_user(*state, name, &number), -errors[i]);
                assert_int_equal(names_group(*state, name, &number), -errors[i]);
                assert_int_equal(names_service(*state, name, "tcp", &number), -errors[i]);
        }
}

static void the_buffer_grows(void **state) {
        uint32_t number;

        library.found = true;
        library.wants = 1000UL * 1000;
        assert_int_equal(names_group(*state, "large", &number), 0);
        assert_true(library.size >= library.wants);
        assert_true(library.calls < 20);
}

static void but_not_for_ever(void **state) {
        uint32_t number;

        library.wants = SIZE_MAX;
        assert_int_equal(names_group(*state, "endless", &number), -ERANGE);
        assert_true(library.size <= 64UL * 1024 * 1024);
}

static void without_a_list_of_services(void **state) {
        uint32_t number;

        library.services = false;
        assert_int_equal(names_service(*state, "a", "tcp", &number), NAMES_E_NO_DATABASE);
        library.error = ENOENT;
        assert_int_equal(names_service(*state, "b", "tcp", &number), NAMES_E_NO_DATABASE);
        library.found = true; /* by another module than files */
        assert_int_equal(names_service(*state, "c", "tcp", &number), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(names_are_asked_once, setup, teardown),
                cmocka_unit_test_setup_teardown(unknown_names_are_remembered_too, setup, teardown),
                cmocka_unit_test_setup_teardown(some_errors_mean_unknown, setup, teardown),
                cmocka_unit_test_setup_teardown(others_mean_that_nobody_knows, setup, teardown),
                cmocka_unit_test_setup_teardown(the_buffer_grows, setup, teardown),
                cmocka_unit_test_setup_teardown(but_not_for_ever, setup, teardown),
                cmocka_unit_test_setup_teardown(without_a_list_of_services, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
