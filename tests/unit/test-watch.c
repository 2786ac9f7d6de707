/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lowportd/watch.h"

static bool no_instances; /* inotify_init1(2) fails */
static time_t later;      /* seconds that have gone by */
static char home[64];

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);
int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_inotify_init1(int flags) {
        if (!no_instances)
                return __real_inotify_init1(flags);
        errno = EMFILE;
        return -1;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret) {
        int r = __real_clock_gettime(clock, ret);

        ret->tv_sec += later;
        return r;
}

static const char *at(const char *name) {
        static char paths[4][128];
        static unsigned turn;
        char *path = paths[turn++ % 4];

        (void)snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
        return path;
}

static void put(const char *name) {
        int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, "x", 1), 1);
        assert_int_equal(close(fd), 0);
}

static struct watch begin(const char *policy) {
        struct options options = { .watch = true, .policies = { policy }, .n_policies = 1 };
        struct watch watch;

        assert_int_equal(watch_open(&watch, &options), 0);
        watch_places(&watch, &options);
        return watch;
}

static void end(struct watch *watch) {
        assert_int_equal(close(watch->fd), 0);
}

/* The kernel has queued the event by the time that the call which made it returns. */
static bool heard(struct watch *watch) {
        watch->due = 0;
        watch_hear(watch);
        return watch->due != 0;
}

static void expect_quiet(struct watch *watch) {
        assert_false(heard(watch));
}

static void expect_news(struct watch *watch) {
        assert_true(heard(watch));
        expect_quiet(watch); /* all of it was taken */
}

static void a_file_is_seen_when_it_is_whole(void **state) {
        struct watch watch;
        int fd;

        (void)state;
        put("policy.conf");
        watch = begin(at("policy.conf"));
        fd = open(at("policy.conf"), O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "y", 1), 1);
        expect_quiet(&watch);
        assert_int_equal(close(fd), 0);
        expect_news(&watch);
        end(&watch);
}

static void reading_is_no_change(void **state) {
        struct watch watch;
        char byte;
        int fd;

        (void)state;
        put("policy.conf");
        watch = begin(at("policy.conf"));
        fd = open(at("policy.conf"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, &byte, 1), 1);
        assert_int_equal(close(fd), 0);
        expect_quiet(&watch);
        end(&watch);
}

static void a_file_may_be_replaced_removed_and_come_back(void **state) {
        struct watch watch;

        (void)state;
        put("policy.conf");
        watch = begin(at("policy.conf"));
        put("new");
        expect_news(&watch);
        assert_int_equal(rename(at("new"), at("policy.conf")), 0);
        expect_news(&watch);
        assert_int_equal(unlink(at("policy.conf")), 0);
        expect_news(&watch);
        put("policy.conf");
        expect_news(&watch);
        assert_int_equal(chmod(at("policy.conf"), 0600), 0); /* who may write it is looked at */
        expect_news(&watch);
        end(&watch);
}

/* As kubelet does it: policy.conf leads to ..data/policy.conf, and ..data to the folder in force. */
static void a_configmap_is_swapped(void **state) {
        struct watch watch;

        (void)state;
        assert_int_equal(mkdir(at("..1"), 0755), 0);
        put("..1/policy.conf");
        assert_int_equal(symlink("..1", at("..data")), 0);
        assert_int_equal(symlink("..data/policy.conf", at("policy.conf")), 0);
        watch = begin(at("policy.conf"));
        expect_quiet(&watch);
        assert_int_equal(symlink("..1", at("..data_tmp")), 0);
        (void)heard(&watch);
        assert_int_equal(rename(at("..data_tmp"), at("..data")), 0);
        expect_news(&watch);
        end(&watch);
}

static void a_directory_is_watched_itself_and_again_when_it_is_another(void **state) {
        struct options options = { .watch = true, .policies = { at("") }, .n_policies = 1 };
        char folder[128];
        struct watch watch;

        (void)state;
        assert_int_equal(mkdir(at("policy.d"), 0755), 0);
        (void)snprintf(folder, sizeof(folder), "%s", at("policy.d"));
        options.policies[0] = folder;
        watch = begin(folder);
        put("policy.conf"); /* beside it */
        expect_quiet(&watch);
        put("policy.d/a.conf");
        expect_news(&watch);

        assert_int_equal(rename(at("policy.d"), at("old.d")), 0);
        expect_news(&watch);
        assert_int_equal(mkdir(at("policy.d"), 0755), 0);
        watch_places(&watch, &options); /* the load that followed */
        put("policy.d/a.conf");
        expect_news(&watch);
        end(&watch);
}

static void a_change_settles_once(void **state) {
        struct watch watch;

        (void)state;
        put("policy.conf");
        watch = begin(at("policy.conf"));
        later = 0;
        assert_false(watch_is_due(&watch));
        put("policy.conf");
        watch_hear(&watch);
        assert_false(watch_is_due(&watch));
        later = 1;
        put("policy.conf"); /* no reason to wait for longer */
        watch_hear(&watch);
        assert_true(watch_is_due(&watch));
        assert_false(watch_is_due(&watch));
        later = 0;
        end(&watch);
}

static void a_directory_that_is_not_there_is_a_warning(void **state) {
        struct watch watch;
        const char *said;

        (void)state;
        fixture_capture(STDERR_FILENO);
        watch = begin(at("nowhere/policy.conf"));
        said = fixture_captured();
        assert_non_null(strstr(said, "cannot watch"));
        assert_non_null(strstr(said, "nowhere/policy.conf for changes: No such file"));
        end(&watch);
}

static void what_was_asked_for_and_cannot_be_is_an_error(void **state) {
        struct options options = { .watch = true };
        struct watch watch;
        int r;

        (void)state;
        no_instances = true;
        fixture_capture(STDERR_FILENO);
        r = watch_open(&watch, &options);
        no_instances = false;
        assert_non_null(strstr(fixture_captured(), "cannot watch the policy"));
        assert_int_equal(r, -EMFILE);
}

static void nothing_is_watched_unasked(void **state) {
        struct options options = { .watch = false };
        struct watch watch;

        (void)state;
        assert_int_equal(watch_open(&watch, &options), 0);
        assert_int_equal(watch.fd, -1);
        watch_places(&watch, &options);
        assert_false(watch_is_due(&watch));
}

static int make_home(void **state) {
        (void)state;
        (void)snprintf(home, sizeof(home), "/tmp/lowport-watch-XXXXXX");
        return mkdtemp(home) == NULL ? -1 : 0;
}

static int remove_home(void **state) {
        static const char *const names[] = { "policy.d/a.conf", "old.d/a.conf", "..1/policy.conf",
                                             "policy.conf",     "new",          "..data",
                                             "..data_tmp" };
        static const char *const folders[] = { "policy.d", "old.d", "..1" };

        (void)state;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                (void)unlink(at(names[i]));
        for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
                (void)rmdir(at(folders[i]));
        return rmdir(home);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_home, remove_home)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_file_is_seen_when_it_is_whole),
                TEST(reading_is_no_change),
                TEST(a_file_may_be_replaced_removed_and_come_back),
                TEST(a_configmap_is_swapped),
                TEST(a_directory_is_watched_itself_and_again_when_it_is_another),
                TEST(a_change_settles_once),
                TEST(a_directory_that_is_not_there_is_a_warning),
                TEST(what_was_asked_for_and_cannot_be_is_an_error),
                TEST(nothing_is_watched_unasked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
