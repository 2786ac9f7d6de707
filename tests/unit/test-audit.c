/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "binder/audit.h"

static const struct peer peer = { .pid = 11, .uid = 12, .gid = 13, .same_netns = true };
static struct board *board;
static int queue[2];

static int make_board(void **state) {
        static const struct orders orders = { .workers = 1 };

        (void)state;
        board = board_new(&orders);
        return board == NULL || pipe2(queue, O_CLOEXEC | O_NONBLOCK) < 0;
}

static int close_queue(void **state) {
        (void)state;
        close(queue[0]);
        close(queue[1]);
        return 0;
}

static void a_record_says_who_and_when(void **state) {
        struct peer stranger = peer;
        struct record record = audit_begin(RECORD_REQUEST, MODE_OPEN, &peer);

        (void)state;
        assert_int_equal(record.kind, RECORD_REQUEST);
        assert_int_equal(record.pid, 11);
        assert_int_equal(record.uid, 12);
        assert_int_equal(record.gid, 13);
        assert_int_equal(record.flags, 0);
        assert_int_equal(record.line, 0);
        assert_in_range(record.time / 1000000, time(NULL) - 60, time(NULL) + 1);

        stranger.same_netns = false;
        record = audit_begin(RECORD_CLOSED, MODE_OWN, &stranger);
        assert_int_equal(record.kind, RECORD_CLOSED);
        assert_int_equal(record.flags, RECORD_OTHER_NETNS | RECORD_OWN_MODE);
}

static void a_record_says_what_was_asked(void **state) {
        const struct request request = {
                .operation = WIRE_OPEN,
                .port = 53,
                .protocol = IPPROTO_UDP,
                .flags = LOWPORT_FREEBIND,
                .backlog = 9,
                .address = { .family = ADDRESS_V6, .bytes = { 0xfe, 0x80 }, .scope = 3 },
        };
        struct record record = { 0 };

        (void)state;
        audit_request(&record, &request);
        assert_int_equal(record.operation, WIRE_OPEN);
        assert_int_equal(record.port, 53);
        assert_int_equal(record.protocol, IPPROTO_UDP);
        assert_int_equal(record.request_flags, LOWPORT_FREEBIND);
        assert_int_equal(record.backlog, 9);
        assert_int_equal(record.family, ADDRESS_V6);
        assert_int_equal(record.scope, 3);
        assert_memory_equal(record.address, request.address.bytes, 16);
}

static void a_record_is_sent_whole(void **state) {
        struct record record = audit_begin(RECORD_REQUEST, MODE_OPEN, &peer), got;

        (void)state;
        record.line = 42;
        assert_true(audit_send(board, queue[1], &record));
        assert_int_equal(read(queue[0], &got, sizeof(got)), sizeof(got));
        assert_memory_equal(&got, &record, sizeof(got));
        assert_int_equal(read(queue[0], &got, sizeof(got)), -1);
        assert_int_equal(board->records_lost, 0);
}

static void a_full_queue_is_counted_and_never_waited_for(void **state) {
        struct record record = audit_begin(RECORD_REQUEST, MODE_OPEN, &peer), got;
        unsigned sent = 0, received = 0;

        (void)state;
        while (audit_send(board, queue[1], &record))
                assert_true(++sent < 100000);
        assert_int_equal(board->records_lost, 1);
        assert_false(audit_send(board, queue[1], &record));
        assert_int_equal(board->records_lost, 2);

        /* What is in the queue is whole records. */
        while (read(queue[0], &got, sizeof(got)) == sizeof(got)) {
                assert_memory_equal(&got, &record, sizeof(got));
                received++;
        }
        assert_int_equal(received, sent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_board, close_queue)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_record_says_who_and_when),
                TEST(a_record_says_what_was_asked),
                TEST(a_record_is_sent_whole),
                TEST(a_full_queue_is_counted_and_never_waited_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
