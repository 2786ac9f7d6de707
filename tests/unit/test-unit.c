/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy/unit.h"

static char text[4096]; /* what /proc tells */

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

FILE *__wrap_fopen(const char *path, const char *mode) {
        if (strcmp(path, "/proc/42/cgroup") != 0)
                return __real_fopen(path, mode);
        return fmemopen(text, strlen(text), "r");
}

static void expect_unit(const char *cgroup, const char *unit) {
        char name[256] = "";

        assert_int_equal(unit_of_cgroup(cgroup, name, sizeof(name)), unit != NULL ? 0 : -ENXIO);
        if (unit != NULL)
                assert_string_equal(name, unit);
}

static void it_is_what_comes_after_the_slices(void **state) {
        (void)state;
        expect_unit("/system.slice/nginx.service", "nginx.service");
        expect_unit("/system.slice/system-app.slice/app@1.service", "app@1.service");
        expect_unit("/system.slice/nginx.service/worker/1", "nginx.service");
        expect_unit("/init.scope", "init.scope");
        expect_unit("/system.slice/_cpu.service", "cpu.service"); /* as systemd escapes it */
        expect_unit("/machine.slice/a\\x2db.scope", "a\\x2db.scope");
        expect_unit("system.slice//nginx.service", "nginx.service");
}

/* Anybody can have a unit of any name below that. */
static void a_users_own_unit_is_the_users_manager(void **state) {
        (void)state;
        expect_unit("/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service",
                    "user@1000.service");
        expect_unit("/user.slice/user-1000.slice/session-2.scope", "session-2.scope");
}

static void other_groups_are_no_units(void **state) {
        char longest[300];

        (void)state;
        expect_unit("", NULL);
        expect_unit("/", NULL);
        expect_unit("/system.slice", NULL);
        expect_unit("/system.slice/", NULL);
        expect_unit("/docker/0123", NULL);
        expect_unit("/../system.slice/nginx.service", NULL);
        expect_unit("/.service", NULL);
        expect_unit("/_.service", NULL);
        expect_unit("/.slice/nginx.service", NULL);
        expect_unit("/service", NULL);
        memset(longest, 'a', sizeof(longest));
        (void)strcpy(longest + 256 - strlen(".service"), ".service"); /* 256 bytes */
        expect_unit(longest, NULL);
        expect_unit(longest + 1, longest + 1);
}

static void expect_cgroup(const char *proc, const char *cgroup) {
        char path[64] = "";

        (void)strcpy(text, proc);
        assert_int_equal(unit_read_cgroup(42, path, sizeof(path)), cgroup != NULL ? 0 : -ENODATA);
        if (cgroup != NULL)
                assert_string_equal(path, cgroup);
}

static void the_group_is_read_from_either_hierarchy(void **state) {
        (void)state;
        expect_cgroup("0::/system.slice/a.service\n", "/system.slice/a.service");
        expect_cgroup("0::/system.slice/a.service", "/system.slice/a.service");
        expect_cgroup("2:cpu:/x\n1:name=systemd:/system.slice/a.service\n0::/\n",
                      "/system.slice/a.service");
        expect_cgroup("2:cpu:/x\n1:name=systemd:/\n0::/system.slice/a.service\n",
                      "/system.slice/a.service");
        expect_cgroup("2:cpu:/x\n", NULL);
        expect_cgroup("0::/\n", NULL);
}

/* Whoever may make a group below another hierarchy chooses its name. */
static void a_groups_name_is_no_hierarchy(void **state) {
        (void)state;
        expect_cgroup("5:memory:/user.slice/x:name=systemd:/system.slice/nginx.service\n", NULL);
        expect_cgroup("5:memory:/x:name=systemd:/system.slice/nginx.service\n"
                      "1:name=systemd:/user.slice/user-1000.slice/session-2.scope\n",
                      "/user.slice/user-1000.slice/session-2.scope");
        expect_cgroup("1:name=systemd:/a/x:name=systemd:/b\n", "/a/x:name=systemd:/b");
        expect_cgroup("10::/system.slice/a.service\n", NULL);
}

static void what_cannot_be_read_is_an_error(void **state) {
        char path[4];

        (void)state;
        assert_int_equal(unit_read_cgroup(0x7fffffff, path, sizeof(path)), -ESRCH);
        (void)strcpy(text, "0::/long.slice\n");
        assert_int_equal(unit_read_cgroup(42, path, sizeof(path)), -ENAMETOOLONG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_is_what_comes_after_the_slices),
                cmocka_unit_test(a_users_own_unit_is_the_users_manager),
                cmocka_unit_test(other_groups_are_no_units),
                cmocka_unit_test(the_group_is_read_from_either_hierarchy),
                cmocka_unit_test(a_groups_name_is_no_hierarchy),
                cmocka_unit_test(what_cannot_be_read_is_an_error),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
