/* SPDX-License-Identifier: MIT */

/* Workers are few, and clients slow or hostile. */

#include "live-binder.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "common/fdpass.h"

static const char policy[] = "allow anyone tcp 127.0.0.1:1-65535\n";

/* A time that the coarse clock of the board tells from zero. */
enum { SHORT_TIME = 50 };

static void start(const struct orders *orders) {
        assert_int_equal(live_start(orders, live_rules(policy)).kind, REPORT_READY);
}

static void wait_for_state(enum worker_state state, uint32_t count) {
        fixture_wait_for(board_count(live.board, MODE_OPEN, state) == count);
}

/* Until the board's clock tells what comes from what was. */
static void tick(void) {
        uint64_t before = board_now();

        fixture_wait_for(board_now() > before);
}

static struct record next_closing(void) {
        struct record record;

        do
                record = live_record();
        while (record.kind != RECORD_CLOSED);
        return record;
}

static struct live_answer check(int connection) {
        struct wire_request request = live_request(live.port);

        request.operation = WIRE_CHECK;
        return live_ask(connection, &request);
}

static void expect_over_limit(int connection) {
        struct live_answer answer = live_hear(connection);

        assert_int_equal(answer.size, sizeof(answer.reply));
        assert_int_equal(answer.reply.operation, 0);
        assert_int_equal(answer.reply.reason, LOWPORT_OVER_LIMIT);
        assert_int_equal(answer.reply.error, EAGAIN);
        live_expect_end(connection);
}

/* ---- deadlines ---- */

static void a_silent_client_has_its_deadline(void **state) {
        struct orders orders = live_orders();
        struct record record;
        uint64_t since;
        int connection;

        (void)state;
        orders.request_timeout = SHORT_TIME;
        start(&orders);
        since = fixture_now();
        connection = live_connect();
        live_expect_end(connection);
        assert_true(fixture_now() + 10 >= since + SHORT_TIME);
        record = live_record();
        assert_int_equal(record.kind, RECORD_CLOSED);
        assert_int_equal(record.reason, LOWPORT_TIMED_OUT);
        assert_int_equal(record.error, 0); /* it was told nothing */
        assert_int_equal(live.board->timed_out, 1);
        assert_int_equal(record.uid, getuid());
        close(connection);
}

static void an_idle_client_has_another_one(void **state) {
        struct orders orders = live_orders();
        int connection;

        (void)state;
        orders.idle_timeout = SHORT_TIME;
        start(&orders);
        connection = live_connect();
        assert_int_equal(check(connection).reply.reason, LOWPORT_GRANTED);
        live_expect_end(connection);
        close(connection);
        assert_int_equal(live.board->timed_out, 1);

        /* That is nothing to write of: the next record is of the next request. */
        connection = live_connect();
        assert_int_equal(check(connection).reply.reason, LOWPORT_GRANTED);
        for (int i = 0; i < 2; i++)
                assert_int_equal(live_record().kind, RECORD_REQUEST);
        close(connection);
}

/* ---- granted, and not taken ---- */

static bool has_unread_grant(void) {
        uint32_t connections, unread;

        board_count_user(live.board, getuid(), &connections, &unread);
        return unread == 1;
}

static void an_unread_grant_is_kept_and_counted(void **state) {
        struct orders orders = live_orders();
        struct wire_request request = live_request(live.port);
        struct live_answer answer;
        int slow, other;

        (void)state;
        orders.idle_timeout = SHORT_TIME;
        orders.unread_per_user = 1;
        start(&orders);
        slow = live_connect();
        live_say(slow, &request, sizeof(request));
        fixture_wait_for(has_unread_grant());

        /* The user gets no more, here or there. */
        request.port++;
        live_say(slow, &request, sizeof(request));
        other = live_connect();
        answer = live_ask(other, &request);
        assert_int_equal(answer.reply.reason, LOWPORT_OVER_LIMIT);
        assert_int_equal(answer.reply.error, EAGAIN);
        close(other);

        /* Long past its deadline the connection is there, and so is the socket. */
        answer = live_hear(slow);
        assert_int_equal(answer.reply.reason, LOWPORT_GRANTED);
        assert_true(answer.fd >= 0);
        close(answer.fd);
        answer = live_hear(slow);
        assert_int_equal(answer.reply.reason, LOWPORT_OVER_LIMIT);

        /* Now the deadline holds. */
        live_expect_end(slow);
        close(slow);
}

/* ---- making room ---- */

static void the_one_that_waited_longest_gives_way(void **state) {
        struct orders orders = live_orders();
        int first, second, third;
        uint64_t since;

        (void)state;
        orders.workers = 2;
        orders.spare = 1;
        start(&orders);
        first = live_connect();
        wait_for_state(WORKER_FIRST, 1);
        tick();
        second = live_connect();
        wait_for_state(WORKER_FIRST, 2);
        tick();
        third = live_connect();
        since = fixture_now();
        assert_int_equal(check(third).reply.reason, LOWPORT_GRANTED);
        assert_true(fixture_now() < since + 500); /* it is not for others to wait */
        expect_over_limit(first);
        assert_int_equal(next_closing().reason, LOWPORT_OVER_LIMIT);
        assert_int_equal(live.board->evicted, 1);
        assert_int_equal(live.board->abandoned, 0);
        assert_int_equal(check(second).reply.reason, LOWPORT_GRANTED); /* untouched */
        close(first);
        close(second);
        close(third);
}

static void a_user_over_its_limit_gives_way_to_its_newest(void **state) {
        struct orders orders = live_orders();
        int first, second, third;

        (void)state;
        orders.workers_per_user = 2;
        start(&orders);
        first = live_connect();
        assert_int_equal(check(first).reply.reason, LOWPORT_GRANTED);
        tick();
        second = live_connect();
        assert_int_equal(check(second).reply.reason, LOWPORT_GRANTED);
        tick();
        third = live_connect();
        expect_over_limit(first);
        assert_int_equal(check(third).reply.reason, LOWPORT_GRANTED);
        assert_int_equal(check(second).reply.reason, LOWPORT_GRANTED);
        assert_int_equal(live.board->evicted, 1);
        close(first);
        close(second);
        close(third);
}

/* Its descriptor stays charged to the daemon, so it goes last. */
static void an_unread_grant_gives_way_last(void **state) {
        struct orders orders = live_orders();
        struct wire_request request = live_request(live.port);
        int unread, silent, third;

        (void)state;
        orders.workers = 2;
        orders.spare = 1;
        start(&orders);
        unread = live_connect();
        live_say(unread, &request, sizeof(request));
        fixture_wait_for(has_unread_grant());
        tick();
        silent = live_connect();
        wait_for_state(WORKER_FIRST, 1);
        third = live_connect();
        assert_int_equal(check(third).reply.reason, LOWPORT_GRANTED);
        expect_over_limit(silent);
        assert_int_equal(live.board->abandoned, 0);

        close(third);
        close(silent);
        close(unread);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, live_reset, live_stop)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_silent_client_has_its_deadline),
                TEST(an_idle_client_has_another_one),
                TEST(an_unread_grant_is_kept_and_counted),
                TEST(the_one_that_waited_longest_gives_way),
                TEST(a_user_over_its_limit_gives_way_to_its_newest),
                TEST(an_unread_grant_gives_way_last),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
