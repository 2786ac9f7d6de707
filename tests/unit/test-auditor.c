/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lowport/lowport.h>

#include "common/record.h"
#include "common/wire.h"
#include "lowportd/auditor.h"
#include "lowportd/entry.h"
#include "lowportd/privilege.h"

enum { DEADLY = 6666, PATIENCE = 20000 /* milliseconds */ };

static struct options options = { .log_burst = 100, .log_rate = 0 };
static struct audit *audit;
static int records[2], out[2]; /* pipes: the binder's, and standard error of the auditor */
static pid_t auditor;

int privilege_drop(void) {
        return 0; /* there is none here */
}

void __wrap_entry_write(struct entry *entry,
                        const struct record *record,
                        const char *user,
                        bool fields);
void __real_entry_write(struct entry *entry,
                        const struct record *record,
                        const char *user,
                        bool fields);

/* A record that an auditor dies of. */
void __wrap_entry_write(struct entry *entry,
                        const struct record *record,
                        const char *user,
                        bool fields) {
        if (record->port == DEADLY)
                (void)raise(SIGKILL);
        __real_entry_write(entry, record, user, fields);
}

static void start(void) {
        int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

        assert_true(saved >= 0 && dup2(out[1], STDERR_FILENO) == STDERR_FILENO);
        auditor = auditor_start(audit, records[0]);
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        close(saved);
        assert_true(auditor > 0);
}

/* Waits for its end; returns its wait status. */
static int ended(void) {
        int status;

        assert_int_equal(waitpid(auditor, &status, 0), auditor);
        auditor = 0;
        return status;
}

static int begin(void **state) {
        (void)state;
        options.log_rate = 0;
        audit = auditor_prepare(&options);
        return audit == NULL || pipe2(records, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
               fcntl(records[1], F_SETPIPE_SZ, 1 << 20) < 0;
}

static int finish(void **state) {
        (void)state;
        if (auditor > 0 && kill(auditor, SIGKILL) == 0)
                (void)waitpid(auditor, NULL, 0);
        auditor = 0;
        for (size_t i = 0; i < 2; i++) {
                close(records[i]);
                close(out[i]);
        }
        return 0;
}

static void leave(uint16_t first, uint16_t last) {
        struct record record = { .kind = RECORD_REQUEST,
                                 .operation = WIRE_OPEN,
                                 .reason = LOWPORT_NO_RULE,
                                 .uid = 1001,
                                 .protocol = IPPROTO_TCP,
                                 .family = ADDRESS_V4 };

        for (unsigned port = first; port <= last; port++) {
                record.port = (uint16_t)port;
                assert_int_equal(write(records[1], &record, sizeof(record)), sizeof(record));
        }
}

static void wait_until_it_is_held_up(void) {
        int bytes = 0, before = -1;

        for (int i = 0; i < PATIENCE / 50 && (bytes < 32768 || bytes != before); i++) {
                before = bytes;
                (void)poll(NULL, 0, 50); /* nothing tells that a process has come to wait */
                assert_int_equal(ioctl(out[0], FIONREAD, &bytes), 0);
        }
        assert_true(bytes >= 32768);
}

/* Reads what was written until a line has this in it, or, with NULL, until its end. */
static const char *read_until(const char *what) {
        static char text[4 << 20];
        size_t used = 0;
        struct pollfd poller = { .fd = out[0], .events = POLLIN };

        text[0] = '\0';
        while (what == NULL || strstr(text, what) == NULL) {
                ssize_t n;

                if (poll(&poller, 1, PATIENCE) <= 0)
                        fail_msg("no '%s' in: %s", what, text);
                n = read(out[0], text + used, sizeof(text) - used - 1);
                if (n <= 0)
                        break;
                used += (size_t)n;
                text[used] = '\0';
        }
        return text;
}

static unsigned count(const char *text, const char *what) {
        unsigned n = 0;

        for (; (text = strstr(text, what)) != NULL; text++)
                n++;
        return n;
}

/* Lets the auditor come to its end and returns all that it writes. */
static const char *read_to_the_end(void) {
        close(records[1]);
        close(out[1]);
        records[1] = out[1] = -1;
        return read_until(NULL);
}

static void what_it_had_in_hand_is_written_by_the_next(void **state) {
        const char *text;
        unsigned twice = 0;

        (void)state;
        leave(1, 1000);
        start();
        wait_until_it_is_held_up();
        assert_int_equal(kill(auditor, SIGKILL), 0);
        assert_true(WIFSIGNALED(ended()));
        start();
        text = read_to_the_end();
        for (unsigned port = 1; port <= 1000; port++) {
                char line[64];
                unsigned n;

                (void)snprintf(line, sizeof(line), "denied tcp 0.0.0.0:%u for ", port);
                n = count(text, line);
                if (n == 0)
                        fail_msg("there is no '%s'", line);
                twice += n > 1;
        }
        assert_in_range(twice, 0, 64);
        assert_int_equal(ended(), 0);
}

static void records_that_auditors_die_of_are_given_up_and_counted(void **state) {
        const char *text;

        (void)state;
        leave(1, 3);
        leave(DEADLY, DEADLY);
        for (int i = 0; i < 4; i++) {
                start();
                assert_true(WIFSIGNALED(ended()));
        }
        start();
        assert_non_null(strstr(read_until("lost"), "4 records lost: the auditor died of them\n"));
        leave(4, 4);
        text = read_to_the_end();
        assert_non_null(strstr(text, "denied tcp 0.0.0.0:4 for "));
        assert_null(strstr(text, "lost"));
        assert_int_equal(ended(), 0);
}

static void what_was_suppressed_outlives_it(void **state) {
        const char *text;

        (void)state;
        options.log_rate = 1;
        audit = auditor_prepare(&options);
        leave(1, 600);
        start();
        (void)read_until("0.0.0.0:90 for ");
        for (int i = 0, bytes = 1; i < PATIENCE / 5 && bytes > 0; i++) {
                (void)poll(NULL, 0, 5);
                assert_int_equal(ioctl(records[0], FIONREAD, &bytes), 0);
        }
        assert_int_equal(kill(auditor, SIGKILL), 0);
        assert_true(WIFSIGNALED(ended()));
        start();
        leave(601, 700);
        text = read_to_the_end();
        assert_non_null(strstr(text, "suppressed "));
        assert_in_range(strtoul(strstr(text, "suppressed ") + 11, NULL, 10), 580, 600);
        assert_int_equal(ended(), 0);
}

static void a_limit_is_told_when_the_flood_is_over(void **state) {
        const char *text;

        (void)state;
        options.log_rate = 1;
        audit = auditor_prepare(&options);
        leave(1, 150);
        start();
        text = read_until("suppressed "); /* nothing more comes, and yet it is told */
        assert_int_equal(count(text, "denied tcp"), 100);
        assert_non_null(strstr(text, "suppressed 50 records of "));
}

static void it_ends_though_a_writer_is_left(void **state) {
        (void)state;
        start();
        leave(1, 1);
        (void)read_until("0.0.0.0:1 for ");
        auditor_finish(auditor, records[0]);
        assert_int_equal(ended(), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        what_it_had_in_hand_is_written_by_the_next, begin, finish),
                cmocka_unit_test_setup_teardown(
                        records_that_auditors_die_of_are_given_up_and_counted, begin, finish),
                cmocka_unit_test_setup_teardown(what_was_suppressed_outlives_it, begin, finish),
                cmocka_unit_test_setup_teardown(
                        a_limit_is_told_when_the_flood_is_over, begin, finish),
                cmocka_unit_test_setup_teardown(it_ends_though_a_writer_is_left, begin, finish),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
