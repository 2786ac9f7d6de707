/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lowportd/cgroup.h"

static char root[] = "/tmp/test-cgroup-XXXXXX";

/* Makes a group, and all above it, with a process in it (0: none). */
static uint64_t make_group(const char *name, int pid) {
        char path[512];
        struct stat group;
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s%s", root, name);
        for (char *slash = path + strlen(root) + 1; slash != NULL;) {
                slash = strchr(slash, '/');
                if (slash != NULL)
                        *slash = '\0';
                assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
                if (slash != NULL)
                        *slash++ = '/';
        }
        assert_int_equal(stat(path, &group), 0);
        if (pid != 0) {
                (void)strcat(path, "/cgroup.procs");
                file = fopen(path, "w");
                assert_non_null(file);
                (void)fprintf(file, "1%d\n%d\n2%d\n", pid, pid, pid);
                assert_int_equal(fclose(file), 0);
        }
        return group.st_ino;
}

static int set_up(void **state) {
        (void)state;
        return mkdtemp(root) == NULL;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *where) {
        (void)stat;
        (void)kind;
        (void)where;
        return remove(path);
}

static int tear_down(void **state) {
        (void)state;
        return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void expect(uint64_t id, pid_t pid, const char *group) {
        char path[256] = "";

        assert_int_equal(cgroup_find(root, id, pid, path, sizeof(path)),
                         group != NULL ? 0 : -ENOENT);
        if (group != NULL)
                assert_string_equal(path, group);
}

static void a_group_is_found_by_its_id(void **state) {
        (void)state;
        (void)make_group("/system.slice/a.service", 0);
        uint64_t id = make_group("/system.slice/b.service", 0);
        uint64_t deep = make_group("/system.slice/system-x.slice/x@1.service/worker/1", 0);

        expect(id, 1, "/system.slice/b.service");
        expect(deep, 1, "/system.slice/system-x.slice/x@1.service/worker/1");
        expect(UINT64_MAX, 1, NULL);
}

/* Before Linux 6.13 the kernel does not tell the id. */
static void a_group_is_found_by_its_process(void **state) {
        (void)state;
        (void)make_group("/system.slice/c.service", 41);
        (void)make_group("/system.slice/d.service", 42);
        (void)make_group("/init.scope", 9);
        expect(0, 42, "/system.slice/d.service");
        expect(0, 41, "/system.slice/c.service");
        expect(0, 9, "/init.scope");
        expect(0, 4, NULL);
}

/* What is delegated to a user is the user's to fill. */
static void a_unit_full_of_groups_hides_no_other(void **state) {
        char name[128];

        (void)state;
        for (int i = 0; i < 1500; i++) {
                (void)snprintf(name, sizeof(name), "/user.slice/user@1.service/many/%d", i);
                (void)make_group(name, 0);
        }
        (void)make_group("/user.slice/session.scope", 77);
        (void)make_group("/z.service", 78);
        expect(0, 77, "/user.slice/session.scope");
        expect(0, 78, "/z.service");

        (void)strcpy(name, "/deep.service");
        for (int i = 0; i < 40; i++)
                (void)strcat(name, "/d");
        (void)make_group(name, 79);
        expect(0, 79, NULL);
}

static void a_path_that_does_not_fit_is_not_found(void **state) {
        char path[8];

        (void)state;
        (void)make_group("/long.service", 99);
        assert_int_equal(cgroup_find(root, 0, 99, path, sizeof(path)), -ENOENT);
        assert_int_equal(cgroup_find("/nonexistent", 0, 99, path, sizeof(path)), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_group_is_found_by_its_id),
                cmocka_unit_test(a_group_is_found_by_its_process),
                cmocka_unit_test(a_unit_full_of_groups_hides_no_other),
                cmocka_unit_test(a_path_that_does_not_fit_is_not_found),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
