/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <syslog.h>

#include <lowport/lowport.h>

#include "common/wire.h"
#include "lowportd/entry.h"

static struct entry entry;

/* alice asks for TCP 127.0.0.1:80. */
static struct record make_record(uint16_t reason, int error) {
        return (struct record){
                .kind = RECORD_REQUEST,
                .operation = WIRE_OPEN,
                .reason = reason,
                .uid = 1001,
                .gid = 2001,
                .pid = 42,
                .error = error,
                .time = 1700000000123456,
                .generation = 3,
                .port = 80,
                .protocol = IPPROTO_TCP,
                .family = ADDRESS_V4,
                .address = { 127, 0, 0, 1 },
        };
}

static void set_rule(struct record *record, uint32_t line) {
        record->line = line;
        (void)strcpy(record->path, "/p.conf");
}

/* The value of a field, or NULL. */
static const char *field(const char *name) {
        size_t length = strlen(name);

        for (size_t i = 0; i < entry.n_fields; i++)
                if (strncmp(entry.fields[i], name, length) == 0 && entry.fields[i][length] == '=')
                        return entry.fields[i] + length + 1;
        return NULL;
}

static void expect_field(const char *name, const char *value) {
        if (field(name) == NULL)
                fail_msg("there is no field %s", name);
        assert_string_equal(field(name), value);
}

static void sentences(void **state) {
        /* % is the endpoint, @ the client, $ the reason's text. */
        static const struct {
                enum lowport_reason reason;
                int error;
                uint32_t line;
                const char *message, *verdict;
                int priority;
        } cases[] = {
                { LOWPORT_GRANTED, 0, 3, "granted % to @ by /p.conf:3", "granted", LOG_INFO },
                { LOWPORT_RULE_DENIES,
                  EACCES,
                  4,
                  "denied % for @ by /p.conf:4",
                  "denied",
                  LOG_NOTICE },
                { LOWPORT_NO_RULE, EACCES, 0, "denied % for @: $", "denied", LOG_NOTICE },
                { LOWPORT_NOT_LOW_PORT, EINVAL, 0, "denied % for @: $", "denied", LOG_NOTICE },
                { LOWPORT_OTHER_NETNS, EACCES, 0, "denied % for @: $", "denied", LOG_NOTICE },
                { LOWPORT_UNMAPPED_USER, EACCES, 0, NULL, "denied", LOG_NOTICE },
                { LOWPORT_ADDRESS_IN_USE,
                  EADDRINUSE,
                  3,
                  "failed % for @: $, allowed by /p.conf:3",
                  "failed",
                  LOG_WARNING },
                { LOWPORT_ADDRESS_NOT_AVAILABLE, EADDRNOTAVAIL, 3, NULL, "failed", LOG_WARNING },
                { LOWPORT_UNSUITABLE_SOCKET, EINVAL, 3, NULL, "failed", LOG_WARNING },
                { LOWPORT_EXHAUSTED,
                  EMFILE,
                  3,
                  "failed % for @: Too many open files, allowed by /p.conf:3",
                  "failed",
                  LOG_WARNING },
                { LOWPORT_BIND_FAILED,
                  EAFNOSUPPORT,
                  0,
                  "failed % for @: Address family not supported by protocol",
                  "failed",
                  LOG_WARNING },
                { LOWPORT_OVER_LIMIT, EAGAIN, 0, "limited % for @: $", "limited", LOG_WARNING },
                { LOWPORT_TOO_SHORT, EBADMSG, 0, NULL, "malformed", LOG_NOTICE },
                { LOWPORT_TOO_LONG, EBADMSG, 0, NULL, "malformed", LOG_NOTICE },
                { LOWPORT_MALFORMED, EBADMSG, 0, NULL, "malformed", LOG_NOTICE },
                { LOWPORT_UNSUPPORTED_VERSION, EPROTONOSUPPORT, 0, NULL, "malformed", LOG_NOTICE },
                { LOWPORT_UNKNOWN_OPERATION, EOPNOTSUPP, 0, NULL, "malformed", LOG_NOTICE },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct record record = make_record((uint16_t)cases[i].reason, cases[i].error);
                char expected[256] = "";

                if (cases[i].line != 0)
                        set_rule(&record, cases[i].line);
                entry_write(&entry, &record, "alice", true);
                for (const char *c = cases[i].message; c != NULL && *c != '\0'; c++)
                        if (*c == '%')
                                (void)strcat(expected, "tcp 127.0.0.1:80");
                        else if (*c == '$')
                                (void)strcat(expected, lowport_reason_text(cases[i].reason));
                        else if (*c == '@')
                                (void)strcat(expected, "alice (uid 1001, pid 42)");
                        else
                                (void)strncat(expected, c, 1);
                if (cases[i].message != NULL)
                        assert_string_equal(entry.message, expected);
                expect_field("MESSAGE", entry.message);
                expect_field("LOWPORT_VERDICT", cases[i].verdict);
                expect_field("LOWPORT_REASON", lowport_reason_text(cases[i].reason));
                assert_int_equal(field("PRIORITY")[0] - '0', cases[i].priority);
                assert_int_equal(strlen(field("MESSAGE_ID")), 32);
        }
}

static void sentences_about_other_things(void **state) {
        struct record record = make_record(LOWPORT_MALFORMED, EBADMSG);

        (void)state;
        record.family = 0;
        entry_write(&entry, &record, NULL, false);
        assert_string_equal(entry.message,
                            "malformed a request for uid 1001 (pid 42): request malformed");

        record = make_record(LOWPORT_GRANTED, 0);
        record.operation = WIRE_CHECK;
        set_rule(&record, 1);
        entry_write(&entry, &record, NULL, false);
        assert_string_equal(entry.message,
                            "granted check of tcp 127.0.0.1:80 to uid 1001 (pid 42) by /p.conf:1");

        record = make_record(LOWPORT_NO_RULE, EACCES);
        record.flags = RECORD_UNIT_UNKNOWN;
        entry_write(&entry, &record, NULL, false);
        assert_string_equal(entry.message,
                            "denied tcp 127.0.0.1:80 for uid 1001 (pid 42): no rule allows it; a "
                            "rule hangs on its unit, which is unknown");
        record.flags |= RECORD_PEER_ENDED;
        entry_write(&entry, &record, NULL, false);
        assert_non_null(strstr(entry.message, "; a rule hangs on its unit, but the process"));

        record = make_record(LOWPORT_BIND_FAILED, EPERM);
        record.flags = RECORD_NOT_TAKEN;
        set_rule(&record, 1);
        entry_write(&entry, &record, NULL, false);
        assert_string_equal(entry.message,
                            "failed tcp 127.0.0.1:80 for uid 1001 (pid 42): the client did not "
                            "take it: Operation not permitted");
}

static void connections_that_were_closed(void **state) {
        struct record record = { .kind = RECORD_CLOSED, .uid = 1001, .pid = 42 };

        (void)state;
        record.reason = LOWPORT_TIMED_OUT;
        entry_write(&entry, &record, "alice", true);
        assert_string_equal(entry.message,
                            "limited a connection for alice (uid 1001, pid 42): no request came in "
                            "time");
        expect_field("LOWPORT_VERDICT", "limited");
        assert_null(field("LOWPORT_PORT"));
        record.reason = LOWPORT_OVER_LIMIT;
        entry_write(&entry, &record, "alice", true);
        assert_string_equal(entry.message,
                            "limited a connection for alice (uid 1001, pid 42): over a limit");
}

static void notices(void **state) {
        struct record record = { .kind = RECORD_STUCK, .count = 2, .pid = 99, .uid = 1001 };
        char lost_id[33];

        (void)state;
        entry_write_lost(&entry, 12, "the queue was full");
        assert_string_equal(entry.message, "12 records lost: the queue was full");
        expect_field("LOWPORT_COUNT", "12");
        expect_field("PRIORITY", "4");
        (void)strcpy(lost_id, field("MESSAGE_ID"));
        entry_write(&entry, &record, NULL, true);
        assert_string_equal(entry.message,
                            "worker 99 is stuck in the kernel, and left behind; 2 such in all");
        assert_string_not_equal(field("MESSAGE_ID"), lost_id);
        expect_field("LOWPORT_UID", "1001");
        assert_int_equal(entry_verdict(&record), VERDICT_LIMITED); /* and no grant */
        record = (struct record){ .kind = RECORD_DIED, .count = SIGSYS, .pid = 99, .uid = 1001 };
        entry_write(&entry, &record, NULL, true);
        assert_string_equal(
                entry.message,
                "worker 99 died of signal 31 (Bad system call) while it served uid 1001");
        expect_field("LOWPORT_UID", "1001");
        record.uid = UINT32_MAX;
        entry_write(&entry, &record, NULL, true);
        assert_non_null(strstr(entry.message, "while it served nobody"));
}

static void what_was_suppressed(void **state) {
        struct suppression suppression = { .first = 1001, .last = 1001 };

        (void)state;
        suppression.counts[VERDICT_DENIED] = 4000;
        suppression.counts[VERDICT_MALFORMED] = 21;
        entry_write_suppressed(&entry, &suppression, "alice");
        assert_string_equal(entry.message,
                            "suppressed 4021 records of alice (uid 1001): 4000 denied, 21 "
                            "malformed");
        assert_string_equal(entry.details, "");
        expect_field("LOWPORT_UID", "1001");
        expect_field("LOWPORT_USER", "alice");
        expect_field("LOWPORT_COUNT", "4021");
        expect_field("LOWPORT_COUNT_DENIED", "4000");
        expect_field("LOWPORT_COUNT_MALFORMED", "21");
        assert_null(field("LOWPORT_COUNT_GRANTED"));
        expect_field("PRIORITY", "4");
        assert_int_equal(strlen(field("MESSAGE_ID")), 32);

        suppression.first = 131072;
        suppression.last = 196607;
        entry_write_suppressed(&entry, &suppression, NULL);
        assert_non_null(strstr(entry.message, "4021 records of uids 131072 to 196607: 4000 "));
        expect_field("LOWPORT_UIDS", "131072-196607");
        assert_null(field("LOWPORT_UID"));
        suppression.first = 0;
        suppression.last = UINT32_MAX;
        entry_write_suppressed(&entry, &suppression, NULL);
        assert_non_null(strstr(entry.message, "4021 records of further users: 4000 denied"));
        for (size_t i = 0; i < VERDICTS; i++)
                suppression.counts[i] = UINT32_MAX;
        entry_write_suppressed(&entry, &suppression, NULL);
        expect_field("LOWPORT_COUNT", "21474836475");
}

/* The line says what the fields would. */
static void details_of_a_line(void **state) {
        struct record record = make_record(LOWPORT_GRANTED, 0);

        (void)state;
        set_rule(&record, 3);
        record.inode = 4711;
        entry_write(&entry, &record, "alice", false);
        assert_string_equal(entry.details,
                            " [time=2023-11-14T22:13:20.123456Z mode=open gid=2001 netns=same "
                            "errno=0 inode=4711]");
        record = make_record(LOWPORT_NO_RULE, EACCES);
        record.flags = RECORD_OTHER_NETNS | RECORD_OWN_MODE;
        record.time = 1;
        entry_write(&entry, &record, "alice", false);
        assert_string_equal(entry.details,
                            " [time=1970-01-01T00:00:00.000001Z mode=own gid=2001 netns=other "
                            "errno=13]");
        entry_write(&entry, &record, "alice", true);
        assert_string_equal(entry.details, "");
        record.time = UINT64_MAX;
        record.error = INT32_MIN;
        record.inode = UINT64_MAX;
        entry_write(&entry, &record, "alice", false);
        assert_non_null(strstr(entry.details, "inode=18446744073709551615]"));
}

static void fields_for_programs(void **state) {
        struct record record = make_record(LOWPORT_GRANTED, 0);

        (void)state;
        set_rule(&record, 3);
        record.inode = 4711;
        (void)strcpy(record.unit, "nginx.service");
        entry_write(&entry, &record, "alice", true);
        assert_string_equal(entry.message,
                            "granted tcp 127.0.0.1:80 to alice (uid 1001, pid 42, nginx.service) "
                            "by /p.conf:3");
        expect_field("LOWPORT_UNIT", "nginx.service");
        expect_field("LOWPORT_MODE", "open");
        expect_field("LOWPORT_OPERATION", "open");
        expect_field("LOWPORT_UID", "1001");
        expect_field("LOWPORT_GID", "2001");
        expect_field("LOWPORT_PID", "42");
        expect_field("LOWPORT_USER", "alice");
        expect_field("LOWPORT_NETNS", "same");
        expect_field("LOWPORT_ERRNO", "0");
        expect_field("LOWPORT_GENERATION", "3");
        expect_field("LOWPORT_TIME_USEC", "1700000000123456");
        expect_field("LOWPORT_PROTOCOL", "tcp");
        expect_field("LOWPORT_ADDRESS", "127.0.0.1");
        expect_field("LOWPORT_PORT", "80");
        expect_field("LOWPORT_INODE", "4711");
        expect_field("LOWPORT_RULE_FILE", "/p.conf");
        expect_field("LOWPORT_RULE_LINE", "3");

        /* What there is not has no field. */
        record = make_record(LOWPORT_NO_RULE, EACCES);
        record.flags = RECORD_OTHER_NETNS | RECORD_OWN_MODE;
        record.operation = 0;
        entry_write(&entry, &record, NULL, true);
        expect_field("LOWPORT_NETNS", "other");
        expect_field("LOWPORT_MODE", "own");
        assert_null(field("LOWPORT_OPERATION"));
        assert_null(field("LOWPORT_USER"));
        assert_null(field("LOWPORT_INODE"));
        assert_null(field("LOWPORT_RULE_FILE"));
        entry_write(&entry, &record, NULL, false);
        assert_int_equal(entry.n_fields, 1);
}

/* The longest there can be has room for every field. */
static void the_longest_fits(void **state) {
        struct record record = make_record(LOWPORT_ADDRESS_IN_USE, EADDRINUSE);
        char user[64];

        (void)state;
        memset(user, 'u', sizeof(user));
        user[sizeof(user) - 1] = '\0';
        memset(record.path, 'p', sizeof(record.path) - 1);
        memset(record.address, 0x11, sizeof(record.address));
        record.family = ADDRESS_V6;
        record.flags = RECORD_UNIT_UNKNOWN | RECORD_PEER_ENDED | RECORD_OTHER_NETNS;
        record.uid = record.gid = record.generation = record.scope = record.line = UINT32_MAX;
        record.time = record.inode = UINT64_MAX;
        record.pid = INT32_MIN;
        record.port = UINT16_MAX;
        entry_write(&entry, &record, user, true);
        for (size_t i = 0; i < entry.n_fields; i++)
                assert_non_null(strchr(entry.fields[i], '='));
        expect_field("LOWPORT_RULE_LINE", "4294967295");
        assert_true(entry.n_fields < ENTRY_FIELDS_MAX);
}

/* A worker gone bad writes what it likes. */
static void what_a_worker_left_is_made_one_line(void **state) {
        struct record record = make_record(LOWPORT_GRANTED, 0);

        (void)state;
        memset(record.unit, 'u', sizeof(record.unit));
        memset(record.path, 'p', sizeof(record.path));
        memcpy(record.path, "a\nlowportd: \x1b[2J\x7f", 17);
        record.line = 3;
        assert_true(entry_admits(&record));
        assert_int_equal(strlen(record.unit), sizeof(record.unit) - 1);
        assert_int_equal(strlen(record.path), sizeof(record.path) - 1);
        assert_memory_equal(record.path, "a?lowportd: ?[2J?", 17);
        entry_write(&entry, &record, NULL, false);
        assert_null(strpbrk(entry.message, "\n\x1b\x7f"));
        record.kind = 0;
        assert_false(entry_admits(&record));
        record.kind = RECORD_DIED + 1;
        assert_false(entry_admits(&record));
}

static void what_does_not_fit_is_left_out(void **state) {
        static char user[ENTRY_TEXT_MAX + 1];
        struct record record = make_record(LOWPORT_GRANTED, 0);

        (void)state;
        set_rule(&record, 3);
        for (size_t length = 0; length < sizeof(user); length += 97) {
                memset(user, 'u', length);
                user[length] = '\0';
                entry_write(&entry, &record, user, true);
                assert_true(entry.used <= sizeof(entry.text));
                assert_true(entry.n_fields <= ENTRY_FIELDS_MAX);
                for (size_t i = 0; i < entry.n_fields; i++)
                        assert_true(strlen(entry.fields[i]) < sizeof(entry.text));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(sentences),
                cmocka_unit_test(sentences_about_other_things),
                cmocka_unit_test(connections_that_were_closed),
                cmocka_unit_test(notices),
                cmocka_unit_test(what_was_suppressed),
                cmocka_unit_test(details_of_a_line),
                cmocka_unit_test(fields_for_programs),
                cmocka_unit_test(the_longest_fits),
                cmocka_unit_test(what_a_worker_left_is_made_one_line),
                cmocka_unit_test(what_does_not_fit_is_left_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
