/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/source.h"

/* A directory of its own for each test. */
struct place {
        char root[64];
        struct policy *policy;
        struct notices errors;
};

static int setup(void **state) {
        struct place *place = calloc(1, sizeof(*place));

        assert_non_null(place);
        strcpy(place->root, "/tmp/lowport-test-XXXXXX");
        assert_non_null(mkdtemp(place->root));
        assert_int_equal(chmod(place->root, 0755), 0);
        place->policy = calloc(1, sizeof(*place->policy));
        *state = place;
        return 0;
}

static int teardown(void **state) {
        struct place *place = *state;
        char command[128];

        /* mkdtemp(3) chose the name: no byte of it is special to the shell. */
        snprintf(command, sizeof(command), "rm -rf -- %s", place->root);
        assert_int_equal(system(command), 0);
        policy_free(place->policy);
        notices_done(&place->errors);
        free(place);
        return 0;
}

static const char *path_of(const struct place *place, const char *name) {
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", place->root, name);
        return path;
}

static void put(const struct place *place, const char *name, const char *text, mode_t mode) {
        int fd = open(path_of(place, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
}

static void expect_error(struct place *place, const char *name, int error, const char *says) {
        assert_int_equal(source_add(place->policy, path_of(place, name), &place->errors), error);
        assert_int_equal(place->errors.count, 1);
        assert_non_null(strstr(place->errors.list[0].path, name));
        if (strstr(place->errors.list[0].text, says) == NULL)
                fail_msg("%s", place->errors.list[0].text);
        notices_done(&place->errors);
}

static void a_file_is_read(void **state) {
        struct place *place = *state;

        put(place, "any.name", "allow anyone tcp 80\n", 0644);
        assert_int_equal(source_add(place->policy, path_of(place, "any.name"), &place->errors), 0);
        assert_int_equal(place->policy->n_files, 1);
        assert_int_equal(place->policy->files[0].size, 20);
        assert_memory_equal(place->policy->files[0].text, "allow anyone tcp 80\n", 20);
        assert_string_equal(place->policy->files[0].path, path_of(place, "any.name"));
}

static void an_empty_file_is_read(void **state) {
        struct place *place = *state;

        put(place, "a", "", 0644);
        assert_int_equal(source_add(place->policy, path_of(place, "a"), &place->errors), 0);
        assert_int_equal(place->policy->files[0].size, 0);
}

static void a_directory_is_read_in_order(void **state) {
        static const char *const expected[] = { "10-a.conf", "9-b.conf", "B.conf", "a.conf" };
        struct place *place = *state;

        put(place, "a.conf", "", 0644);
        put(place, "B.conf", "", 0644);
        put(place, "9-b.conf", "", 0644);
        put(place, "10-a.conf", "", 0600);
        put(place, ".hidden.conf", "", 0666);
        put(place, "a.conf~", "", 0666);
        put(place, "a.conf.dpkg-new", "", 0666);
        put(place, "README", "", 0666);
        put(place, ".conf", "", 0666);
        assert_int_equal(source_add(place->policy, place->root, &place->errors), 0);
        assert_int_equal(place->policy->n_files, 4);
        for (size_t i = 0; i < 4; i++)
                assert_string_equal(place->policy->files[i].path, path_of(place, expected[i]));
}

static void what_does_not_exist(void **state) {
        struct place *place = *state;

        assert_int_equal(source_add_optional(place->policy, path_of(place, "none"), &place->errors),
                         0);
        expect_error(place, "none", -ENOENT, "cannot open: No such file");
        assert_int_equal(symlink("none", path_of(place, "a.conf")), 0);
        assert_int_equal(source_add(place->policy, place->root, &place->errors), -ENOENT);
}

static void others_may_not_write(void **state) {
        struct place *place = *state;

        put(place, "group", "", 0664);
        expect_error(place,
                     "group",
                     -EPERM,
                     "is writable by group or others (mode 0664); expected 0644");
        put(place, "others", "", 0602);
        expect_error(place, "others", -EPERM, "(mode 0602); expected 0600");
        put(place, "sub.conf", "", 0644);
        assert_int_equal(chmod(place->root, 01777), 0);
        assert_int_equal(source_add(place->policy, place->root, &place->errors), -EPERM);
        assert_int_equal(place->policy->n_files, 0);
}

static void others_may_not_own(void **state) {
        struct place *place = *state;

        if (geteuid() != 0)
                skip();
        put(place, "theirs", "", 0644);
        assert_int_equal(chown(path_of(place, "theirs"), 4711, 0), 0);
        expect_error(place, "theirs", -EPERM, "is owned by uid 4711; expected root");
        assert_int_equal(chown(place->root, 4711, 0), 0);
        assert_int_equal(source_add(place->policy, place->root, &place->errors), -EPERM);
        /* Whoever reads it may own it. */
        assert_int_equal(seteuid(4711), 0);
        notices_done(&place->errors);
        assert_int_equal(source_add(place->policy, path_of(place, "theirs"), &place->errors), 0);
        assert_int_equal(seteuid(0), 0);
}

static void a_link_is_followed_to_what_is_checked(void **state) {
        struct place *place = *state;

        put(place, "good", "allow anyone tcp 80\n", 0644);
        put(place, "bad", "", 0666);
        assert_int_equal(symlink("good", path_of(place, "a.conf")), 0);
        assert_int_equal(source_add(place->policy, place->root, &place->errors), 0);
        assert_int_equal(place->policy->files[0].size, 20);
        assert_int_equal(symlink("bad", path_of(place, "b.conf")), 0);
        expect_error(place, "b.conf", -EPERM, "is writable");
}

/* A FIFO without a writer would make open(2) wait. */
static void only_files_are_read(void **state) {
        struct place *place = *state;

        assert_int_equal(mkfifo(path_of(place, "a.conf"), 0644), 0);
        expect_error(place, "a.conf", -EBADMSG, "is neither a file nor a directory");
        assert_int_equal(source_add(place->policy, place->root, &place->errors), -EBADMSG);
        notices_done(&place->errors);
        assert_int_equal(unlink(path_of(place, "a.conf")), 0);
        assert_int_equal(mkdir(path_of(place, "a.conf"), 0755), 0);
        assert_int_equal(source_add(place->policy, place->root, &place->errors), -EBADMSG);
        assert_non_null(strstr(place->errors.list[0].text, "is not a file"));
}

static void every_file_is_looked_at(void **state) {
        struct place *place = *state;

        put(place, "a.conf", "", 0666);
        put(place, "b.conf", "", 0644);
        put(place, "c.conf", "", 0620);
        assert_int_equal(source_add(place->policy, place->root, &place->errors), -EPERM);
        assert_int_equal(place->errors.count, 2);
        assert_string_equal(place->errors.list[1].path, path_of(place, "c.conf"));
}

/* fstat(2) says that it is empty, as of a file that is being written. */
static void a_file_that_grows_is_read_to_its_end(void **state) {
        struct place *place = *state;

        assert_int_equal(source_add(place->policy, "/proc/self/status", &place->errors), 0);
        assert_true(place->policy->files[0].size > 100);
        assert_int_equal(place->policy->files[0].text[place->policy->files[0].size - 1], '\n');
}

static void size_is_limited(void **state) {
        struct place *place = *state;

        put(place, "large", "", 0644);
        assert_int_equal(truncate(path_of(place, "large"), SOURCE_SIZE_MAX), 0);
        assert_int_equal(source_add(place->policy, path_of(place, "large"), &place->errors), 0);
        assert_int_equal(place->policy->files[0].size, SOURCE_SIZE_MAX);
        assert_int_equal(truncate(path_of(place, "large"), SOURCE_SIZE_MAX + 1), 0);
        expect_error(place, "large", -EFBIG, "is too large; expected at most 16 MiB");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_file_is_read, setup, teardown),
                cmocka_unit_test_setup_teardown(an_empty_file_is_read, setup, teardown),
                cmocka_unit_test_setup_teardown(a_directory_is_read_in_order, setup, teardown),
                cmocka_unit_test_setup_teardown(what_does_not_exist, setup, teardown),
                cmocka_unit_test_setup_teardown(others_may_not_write, setup, teardown),
                cmocka_unit_test_setup_teardown(others_may_not_own, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        a_link_is_followed_to_what_is_checked, setup, teardown),
                cmocka_unit_test_setup_teardown(only_files_are_read, setup, teardown),
                cmocka_unit_test_setup_teardown(every_file_is_looked_at, setup, teardown),
                cmocka_unit_test_setup_teardown(
                        a_file_that_grows_is_read_to_its_end, setup, teardown),
                cmocka_unit_test_setup_teardown(size_is_limited, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
