/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lowportd/options.h"

/* What was printed by the last parse(): on standard output for status 0, else on the other. */
static const char *printed;

/* Parses "lowportd" and up to three words more. */
static int parse(struct options *ret, int fd, const char *a, const char *b, const char *c) {
        static char words[4][256];
        const char *from[] = { "lowportd", a, b, c };
        char *argv[5] = { NULL };
        int argc = 0, r;

        for (; argc < 4 && from[argc] != NULL; argc++) {
                (void)snprintf(words[argc], sizeof(words[argc]), "%s", from[argc]);
                argv[argc] = words[argc];
        }
        optind = 0; /* begin anew */
        fixture_capture(fd);
        r = options_parse(argc, argv, ret);
        printed = fixture_captured();
        return r;
}

static void expect_refusal(const char *a, const char *b, const char *what) {
        struct options options;

        assert_int_equal(parse(&options, STDERR_FILENO, a, b, NULL), 2);
        if (strstr(printed, what) == NULL)
                fail_msg("'%s' is not in: %s", what, printed);
}

static void defaults(void **state) {
        struct options o;

        (void)state;
        assert_int_equal(parse(&o, STDERR_FILENO, NULL, NULL, NULL), -1);
        assert_string_equal(printed, "");
        assert_int_equal(o.n_policies, 0);
        assert_null(o.socket);
        assert_null(o.binder);
        assert_null(o.user);
        assert_false(o.check);
        assert_int_equal(o.record_queue, 4096);
        assert_int_equal(o.log_burst, 100);
        assert_int_equal(o.log_rate, 5);
        assert_int_equal(o.limits.version, ORDERS_VERSION);
        assert_int_equal(o.limits.workers, 256);
        assert_int_equal(o.limits.workers_per_user, 64);
        assert_int_equal(o.limits.spare, 4);
        assert_int_equal(o.limits.request_timeout, 5000);
        assert_int_equal(o.limits.idle_timeout, 60000);
        assert_int_equal(o.limits.unread_per_user, 16);
}

static void words_are_taken_as_they_are(void **state) {
        struct options o;

        (void)state;
        assert_int_equal(parse(&o, STDERR_FILENO, "--policy=/b", "--policy", "/a"), -1);
        assert_int_equal(o.n_policies, 2);
        assert_string_equal(o.policies[0], "/b");
        assert_string_equal(o.policies[1], "/a");
        assert_int_equal(parse(&o, STDERR_FILENO, "--socket=/s", "--binder=/x", "--user=me"), -1);
        assert_string_equal(o.socket, "/s");
        assert_string_equal(o.binder, "/x");
        assert_string_equal(o.user, "me");
        assert_int_equal(parse(&o, STDERR_FILENO, "--check", NULL, NULL), -1);
        assert_true(o.check);
        assert_false(o.watch);
        assert_int_equal(parse(&o, STDERR_FILENO, "--watch", NULL, NULL), -1);
        assert_true(o.watch);
}

static const struct limit {
        const char *name;
        unsigned low, high, unit;
        size_t offset;
} limits[] = {
        { "workers", 1, 1024, 1, offsetof(struct options, limits.workers) },
        { "workers-per-user", 1, 1024, 1, offsetof(struct options, limits.workers_per_user) },
        { "spare", 1, 64, 1, offsetof(struct options, limits.spare) },
        { "request-timeout", 1, 3600, 1000, offsetof(struct options, limits.request_timeout) },
        { "idle-timeout", 1, 86400, 1000, offsetof(struct options, limits.idle_timeout) },
        { "unread-per-user", 1, 1024, 1, offsetof(struct options, limits.unread_per_user) },
        { "record-queue", 16, 4096, 1, offsetof(struct options, record_queue) },
        { "log-burst", 1, 10000, 1, offsetof(struct options, log_burst) },
        { "log-rate", 0, 1000, 1, offsetof(struct options, log_rate) },
};

enum { N_LIMITS = sizeof(limits) / sizeof(*limits) };

static void expect_limit(const struct limit *limit, unsigned value) {
        struct options o;
        char option[64];

        (void)snprintf(option, sizeof(option), "--%s=%u", limit->name, value);
        assert_int_equal(parse(&o, STDERR_FILENO, option, NULL, NULL), -1);
        assert_int_equal(*(uint32_t *)(void *)((char *)&o + limit->offset), value * limit->unit);
}

static void every_limit_has_its_range(void **state) {
        (void)state;
        for (size_t i = 0; i < N_LIMITS; i++) {
                const struct limit *limit = &limits[i];
                char option[64], below[16], above[16], range[160];

                (void)snprintf(option, sizeof(option), "--%s", limit->name);
                (void)snprintf(below, sizeof(below), "%u", limit->low - 1);
                (void)snprintf(above, sizeof(above), "%u", limit->high + 1);
                (void)snprintf(range,
                               sizeof(range),
                               "%s '%s': expected a number from %u to %u",
                               option,
                               above,
                               limit->low,
                               limit->high);
                expect_limit(limit, limit->low);
                expect_limit(limit, limit->high);
                expect_refusal(option, below, option);
                expect_refusal(option, above, range);
        }
}

static void what_is_no_number_is_no_limit(void **state) {
        static const char *const words[] = {
                "", "-1", "+5", " 5", "5 ", "5x", "0x10", "1e2", "five", "18446744073709551621",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
                expect_refusal("--workers", words[i], "expected a number from 1 to 1024");
}

static void what_is_unknown_is_refused(void **state) {
        (void)state;
        expect_refusal("--nonsense", NULL, "--help");
        expect_refusal("-x", NULL, "--help");
        expect_refusal("--work=5", NULL, "--help"); /* two options begin so */
        expect_refusal("--policy", NULL, "--help");
        expect_refusal("policy.conf", NULL, "'policy.conf': lowportd takes options only");
}

static void help_names_every_option(void **state) {
        static const char *const names[] = {
                "--policy", "--socket", "--binder", "--user", "--check", "--version", "--help",
        };
        struct options o;

        (void)state;
        assert_int_equal(parse(&o, STDOUT_FILENO, "--help", NULL, NULL), 0);
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                assert_non_null(strstr(printed, names[i]));
        for (size_t i = 0; i < N_LIMITS; i++) {
                char option[64];

                (void)snprintf(option, sizeof(option), "--%s ", limits[i].name);
                assert_non_null(strstr(printed, option));
        }
        assert_int_equal(parse(&o, STDOUT_FILENO, "-h", NULL, NULL), 0);
}

static void version(void **state) {
        struct options o;

        (void)state;
        assert_int_equal(parse(&o, STDOUT_FILENO, "--version", NULL, NULL), 0);
        assert_string_equal(printed, "lowportd " LOWPORT_VERSION "\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(defaults),
                cmocka_unit_test(words_are_taken_as_they_are),
                cmocka_unit_test(every_limit_has_its_range),
                cmocka_unit_test(what_is_no_number_is_no_limit),
                cmocka_unit_test(what_is_unknown_is_refused),
                cmocka_unit_test(help_names_every_option),
                cmocka_unit_test(version),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
