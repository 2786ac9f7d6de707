/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "lowportd/loader.h"
#include "lowportd/privilege.h"
#include "policy/load.h"

static struct loader loader;
static struct loader_answer answer;
static int rules;
static const char *said;
static bool fork_fails, dropped;

/* What the loader does in the place of loading. */
static int (*load)(struct load_report *report, int *ret_fd);

int __wrap_load_ruleset(const struct load_options *options,
                        struct load_report *report,
                        int *ret_fd);
pid_t __real_fork(void);
pid_t __wrap_fork(void);

int __wrap_load_ruleset(const struct load_options *options,
                        struct load_report *report,
                        int *ret_fd) {
        (void)options;
        return load(report, ret_fd);
}

pid_t __wrap_fork(void) {
        errno = EAGAIN;
        return fork_fails ? -1 : __real_fork();
}

int privilege_drop(void) {
        dropped = true;
        return 0;
}

static int reset(void **state) {
        (void)state;
        fork_fails = dropped = false;
        loader = (struct loader){ .socket = -1 };
        return 0;
}

/* Starts a loader that does `what`, waits for its answer or (`impatient`) does not, and finishes it:
 * then no process and no descriptor is left of it but the rules. */
static void run(int (*what)(struct load_report *report, int *ret_fd), bool impatient) {
        static const struct options options;
        size_t before = fixture_count_fds();
        pid_t pid;

        load = what;
        fixture_capture(STDERR_FILENO);
        if (loader_start(&loader, &options) == 0) {
                pid = loader.pid;
                if (!impatient)
                        fixture_wait_readable(loader.socket);
                loader_finish(&loader, &answer, &rules);
                said = fixture_captured();
                assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
                assert_int_equal(loader.pid, 0);
                assert_int_equal(loader.socket, -1);
                assert_int_equal(fixture_count_fds(), before + (rules >= 0));
                return;
        }
        (void)fixture_captured();
        fail();
}

static int succeed(struct load_report *report, int *ret_fd) {
        report->n_files = 2;
        report->n_rules = 7;
        *ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return 0;
}

static void rules_come_with_the_answer(void **state) {
        struct stat expected, got;

        (void)state;
        run(succeed, false);
        assert_int_equal(answer.error, 0);
        assert_int_equal(answer.files, 2);
        assert_int_equal(answer.rules, 7);
        assert_int_equal(answer.warnings, 0);
        assert_string_equal(answer.text, "");
        assert_string_equal(said, "");
        assert_int_equal(stat("/dev/null", &expected), 0);
        assert_int_equal(fstat(rules, &got), 0);
        assert_int_equal(expected.st_ino, got.st_ino);
        close(rules);
}

static int warn(struct load_report *report, int *ret_fd) {
        static char *warnings[] = { NULL };

        warnings[0] = strdup("p.conf:1:2: anyone may");
        report->warnings = warnings;
        report->n_warnings = 1;
        return succeed(report, ret_fd);
}

static void warnings_are_said(void **state) {
        (void)state;
        run(warn, false);
        assert_int_equal(answer.error, 0);
        assert_int_equal(answer.warnings, 1);
        assert_non_null(strstr(said, "p.conf:1:2: anyone may\n"));
        close(rules);
}

static int find_error(struct load_report *report, int *ret_fd) {
        (void)ret_fd;
        report->error = strdup("p.conf:3:1: unknown word; expected allow or deny");
        return -EBADMSG;
}

static void an_error_is_said_and_told(void **state) {
        (void)state;
        run(find_error, false);
        assert_int_equal(answer.error, EBADMSG);
        assert_int_equal(rules, -1);
        assert_string_equal(answer.text, "p.conf:3:1: unknown word; expected allow or deny");
        assert_non_null(strstr(said, answer.text));
}

static int have_no_memory(struct load_report *report, int *ret_fd) {
        (void)report;
        (void)ret_fd;
        return -ENOMEM;
}

static void an_error_without_words_gets_some(void **state) {
        (void)state;
        run(have_no_memory, false);
        assert_int_equal(answer.error, ENOMEM);
        assert_string_equal(answer.text, "Cannot allocate memory");
}

static int find_long_error(struct load_report *report, int *ret_fd) {
        (void)ret_fd;
        report->error = malloc(1001);
        memset(report->error, 'x', 1000);
        report->error[1000] = '\0';
        return -EBADMSG;
}

static void a_long_error_is_cut(void **state) {
        (void)state;
        run(find_long_error, false);
        assert_int_equal(strlen(answer.text), sizeof(answer.text) - 1);
}

/* ---- a loader that goes wrong ---- */

static int crash(struct load_report *report, int *ret_fd) {
        (void)report;
        (void)ret_fd;
        (void)raise(SIGKILL);
        return 0;
}

static void a_crash_is_an_error_like_others(void **state) {
        (void)state;
        run(crash, false);
        assert_int_equal(answer.error, EPROTO);
        assert_int_equal(rules, -1);
        assert_non_null(strstr(answer.text, "ended without an answer"));
        assert_non_null(strstr(said, answer.text));
}

static int hang(struct load_report *report, int *ret_fd) {
        (void)report;
        (void)ret_fd;
        (void)pause(); /* until it is killed */
        return 0;
}

static void one_that_hangs_is_killed(void **state) {
        (void)state;
        run(hang, true);
        assert_int_equal(answer.error, ETIMEDOUT);
        assert_int_equal(rules, -1);
        assert_non_null(strstr(answer.text, "more than 30 seconds"));
        assert_non_null(strstr(said, answer.text));
}

static int forget_rules(struct load_report *report, int *ret_fd) {
        (void)report;
        *ret_fd = -1;
        return 0;
}

static void success_without_rules_is_none(void **state) {
        (void)state;
        run(forget_rules, false);
        assert_int_equal(answer.error, EPROTO);
}

static int answer_shortly(struct load_report *report, int *ret_fd) {
        (void)report;
        (void)ret_fd;
        (void)fdpass_send(STDERR_FILENO + 1, "short", 5, -1);
        return -EIO;
}

static void a_short_answer_is_none(void **state) {
        (void)state;
        run(answer_shortly, false);
        assert_int_equal(answer.error, EPROTO);
}

/* ---- what it has, and has not ---- */

static int look_around(struct load_report *report, int *ret_fd) {
        (void)report;
        (void)ret_fd;
        if (!dropped)
                return -EPERM;
        /* The standard three, the socket, and this look itself with its two dots. */
        return fixture_count_fds() == 4 + 1 + 2 ? -ECANCELED : -EMFILE;
}

static void it_has_no_capability_and_no_descriptor_of_ours(void **state) {
        int others[2];

        (void)state;
        assert_int_equal(pipe(others), 0);
        run(look_around, false);
        assert_int_equal(answer.error, ECANCELED);
        assert_false(dropped); /* here it is kept */
        close(others[0]);
        close(others[1]);
}

static void a_refused_fork_leaves_nothing(void **state) {
        static const struct options options;
        size_t before = fixture_count_fds();

        (void)state;
        fork_fails = true;
        assert_int_equal(loader_start(&loader, &options), -EAGAIN);
        assert_int_equal(loader.pid, 0);
        assert_int_equal(fixture_count_fds(), before);
        loader_stop(&loader); /* there is none, and that is allowed */
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(rules_come_with_the_answer),
                TEST(warnings_are_said),
                TEST(an_error_is_said_and_told),
                TEST(an_error_without_words_gets_some),
                TEST(a_long_error_is_cut),
                TEST(a_crash_is_an_error_like_others),
                TEST(one_that_hangs_is_killed),
                TEST(success_without_rules_is_none),
                TEST(a_short_answer_is_none),
                TEST(it_has_no_capability_and_no_descriptor_of_ours),
                TEST(a_refused_fork_leaves_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
