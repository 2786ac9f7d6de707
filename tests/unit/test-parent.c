/* SPDX-License-Identifier: MIT */

/* Orders, reloads, and the life of the workers. */

#include "live-binder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binder/pool.h"
#include "policy/sealed.h"

static const char policy[] = "allow anyone tcp 127.0.0.1:1-65535\n";
static const char other_policy[] = "deny anyone tcp 127.0.0.1:1-65535\n"
                                   "allow anyone udp 127.0.0.1:1-65535\n";

static void start(const struct orders *orders) {
        struct report report = live_start(orders, live_rules(policy));

        assert_int_equal(report.kind, REPORT_READY);
        assert_int_equal(report.generation, 1);
}

static struct live_answer check(int connection) {
        struct wire_request request = live_request(live.port);

        request.operation = WIRE_CHECK;
        return live_ask(connection, &request);
}

static void expect_reason(enum lowport_reason reason) {
        int connection = live_connect();

        assert_int_equal(check(connection).reply.reason, reason);
        close(connection);
}

/* The same rules as a memfd whose byte at `offset` is another; sealed, or not. */
static int spoil(int rules, size_t offset, bool sealed) {
        static char block[65536];
        ssize_t n = pread(rules, block, sizeof(block), 0);
        int fd = -1;

        assert_true(n > (ssize_t)offset);
        block[offset] = (char)(block[offset] ^ 1);
        if (sealed) {
                assert_int_equal(sealed_new(block, (size_t)n, &fd), 0);
        } else {
                fd = memfd_create("unsealed", MFD_CLOEXEC);
                assert_int_equal(write(fd, block, (size_t)n), n);
        }
        close(rules);
        return fd;
}

/* The pids of the workers, as the kernel knows them. */
static size_t list_workers(pid_t ret[16]) {
        char path[64];
        FILE *file;
        size_t n = 0;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", live.pid, live.pid);
        file = fopen(path, "re");
        assert_non_null(file);
        while (n < 16 && fscanf(file, "%d", &ret[n]) == 1)
                n++;
        (void)fclose(file);
        return n;
}

/* ---- the first orders ---- */

static void what_it_cannot_begin_with_ends_it(void **state) {
        struct orders orders = live_orders();

        (void)state;
        live_launch(&orders);
        live_order(&orders, sizeof(orders), spoil(live_rules(policy), 0, true));
        assert_int_equal(live_wait_for_end(), EBADMSG);
}

static void without_a_manager_it_does_not_begin(void **state) {
        struct orders orders = live_orders();

        (void)state;
        live_launch(&orders);
        close(live.control);
        live.control = -1;
        assert_int_equal(live_wait_for_end(), ECONNRESET);
}

static void without_a_worker_it_does_not_begin(void **state) {
        struct orders orders = live_orders();

        (void)state;
        live.faults->fork.error = EAGAIN;
        live.faults->fork.always = true;
        live_launch(&orders);
        live_order(&orders, sizeof(orders), live_rules(policy));
        assert_int_equal(live_wait_for_end(), EAGAIN);
}

/* ---- later ones ---- */

static void new_rules_replace_the_old_ones(void **state) {
        struct orders orders = live_orders();
        struct report report;
        int kept;

        (void)state;
        start(&orders);
        kept = live_connect();
        assert_int_equal(check(kept).reply.reason, LOWPORT_GRANTED);
        orders.generation = 2;
        live_order(&orders, sizeof(orders), live_rules(other_policy));
        report = live_report();
        assert_int_equal(report.kind, REPORT_READY);
        assert_int_equal(report.generation, 2);

        /* Ready means that nobody is served by the old ones any more, on old connections neither. */
        for (int i = 0; i < 20; i++)
                expect_reason(LOWPORT_RULE_DENIES);
        live_expect_end(kept);
        assert_int_equal(live.board->rules, 2);
        assert_int_equal(live.board->generation, 2);
        assert_int_equal(live_record().generation, 1);
        assert_int_equal(live_record().generation, 2);
        close(kept);
}

/* Workers that do not react might still take a client, and so are waited for, and killed. */
static void ready_means_that_no_old_worker_is_left(void **state) {
        struct orders orders = live_orders();
        pid_t old[16], now[16];
        size_t n, m;

        (void)state;
        start(&orders);
        n = list_workers(old);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(kill(old[i], SIGSTOP), 0);
        orders.generation = 2;
        live_order(&orders, sizeof(orders), live_rules(other_policy));
        assert_int_equal(live_report().kind, REPORT_READY);
        m = list_workers(now);
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < m; k++)
                        assert_int_not_equal(old[i], now[k]);
}

/* It had come before the reload, and gets its answer. */
static void a_client_without_its_first_answer_is_not_cut_off(void **state) {
        struct orders orders = live_orders();
        int early;

        (void)state;
        start(&orders);
        early = live_connect();
        fixture_wait_for(board_count(live.board, MODE_OPEN, WORKER_FIRST) == 1);
        orders.generation = 2;
        live_order(&orders, sizeof(orders), live_rules(other_policy));
        assert_int_equal(live_report().kind, REPORT_READY);
        assert_int_equal(check(early).size, WIRE_REPLY_SIZE);
        live_expect_end(early);
        close(early);
}

static void expect_failure(const void *orders, size_t size, int rules) {
        struct report report;

        live_order(orders, size, rules);
        report = live_report();
        assert_int_equal(report.kind, REPORT_FAILED);
        assert_int_equal(report.error, EBADMSG);
        expect_reason(LOWPORT_GRANTED);
        assert_int_equal(live.board->generation, 1);
}

static void what_is_wrong_leaves_the_old_rules(void **state) {
        struct orders good = live_orders(), orders;

        (void)state;
        start(&good);
        good.generation = 2;
        expect_failure(&good, sizeof(good), -1);
        expect_failure(&good, sizeof(good), spoil(live_rules(other_policy), 0, true));
        expect_failure(&good, sizeof(good), spoil(live_rules(other_policy), 8, true));
        expect_failure(&good, sizeof(good), dup(live.records)); /* no memfd */
        expect_failure(&good, sizeof(good) - 4, live_rules(other_policy));
        orders = good;
        orders.version++;
        expect_failure(&orders, sizeof(orders), live_rules(other_policy));
        orders = good;
        orders.workers = 0;
        expect_failure(&orders, sizeof(orders), live_rules(other_policy));
        orders.workers = WORKERS_LIMIT + 1;
        expect_failure(&orders, sizeof(orders), live_rules(other_policy));
}

/* Rules that somebody could still write to are as good as none, whatever they say now. */
static void unsealed_rules_are_refused(void **state) {
        struct orders orders = live_orders();
        int rules;

        (void)state;
        start(&orders);
        rules = spoil(live_rules(other_policy), 0, false);
        assert_int_equal(pwrite(rules, "l", 1, 0), 1); /* the byte as it was: all is well with it */
        expect_failure(&orders, sizeof(orders), rules);
}

/* So is a file, whose seals cannot be asked for. */
static void rules_in_a_file_are_refused(void **state) {
        static char block[65536];
        struct orders orders = live_orders();
        int rules = live_rules(other_policy), file;
        ssize_t n = pread(rules, block, sizeof(block), 0);
        char path[80];

        (void)state;
        start(&orders);
        (void)snprintf(path, sizeof(path), "%s/rules", live.directory);
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(file, block, (size_t)n), n);
        close(rules);
        expect_failure(&orders, sizeof(orders), file);
}

/* ---- workers ---- */

static void a_dead_worker_is_replaced(void **state) {
        struct orders orders = live_orders();
        pid_t before[16], after[16];
        size_t n;

        (void)state;
        start(&orders);
        n = list_workers(before);
        assert_int_equal(n, orders.spare);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(kill(before[i], SIGKILL), 0);
        fixture_wait_for(list_workers(after) == n && after[0] != before[0] &&
                         after[0] != before[1] && after[1] != before[0] && after[1] != before[1]);
        fixture_wait_for(board_count(live.board, MODE_OPEN, WORKER_IDLE) == orders.spare);
        fixture_wait_for(live.board->workers[MODE_OPEN] == n);
        expect_reason(LOWPORT_GRANTED);
}

static void a_refused_fork_is_tried_again(void **state) {
        struct orders orders = live_orders();
        pid_t workers[16];
        int connection;

        (void)state;
        start(&orders);
        live.faults->fork.always = true;
        live.faults->fork.error = EAGAIN;
        assert_int_equal(list_workers(workers), 2);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(kill(workers[i], SIGKILL), 0);
        fixture_wait_for(live.board->workers[MODE_OPEN] == 0);
        connection = live_connect(); /* it waits */
        live.faults->fork.error = 0;
        assert_int_equal(check(connection).reply.reason, LOWPORT_GRANTED);
        close(connection);
}

/* A worker that cannot be confined does not serve. Another is tried, and not as fast as they die. */
static void workers_that_die_at_birth_are_replaced_with_patience(void **state) {
        struct orders orders = live_orders();
        uint64_t begin, pauses;
        pid_t workers[16];
        int connection;

        (void)state;
        start(&orders);
        assert_int_equal(list_workers(workers), 2);
        live.faults->birth.always = true;
        live.faults->birth.error = ENOMEM;
        live.faults->births = 0;
        begin = fixture_now();
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(kill(workers[i], SIGKILL), 0);
        fixture_wait_for(live.faults->births >= 12);
        pauses = (fixture_now() - begin) / POOL_ASK_AGAIN;
        assert_in_range(live.faults->births, 12, 2 * (pauses + 3));

        connection = live_connect(); /* it waits */
        live.faults->birth.error = 0;
        assert_int_equal(check(connection).reply.reason, LOWPORT_GRANTED);
        close(connection);
}

/* A burst is served by more workers than are kept. */
static void workers_come_and_go_with_the_clients(void **state) {
        struct orders orders = live_orders();
        int connections[8];

        (void)state;
        orders.workers = 8;
        orders.spare = 1;
        start(&orders);
        for (size_t i = 0; i < 8; i++) {
                connections[i] = live_connect();
                assert_int_equal(check(connections[i]).reply.reason, LOWPORT_GRANTED);
        }
        fixture_wait_for(live.board->workers[MODE_OPEN] == 8);
        assert_int_equal(live.board->evicted, 0);
        for (size_t i = 0; i < 8; i++)
                close(connections[i]);
        fixture_wait_for(live.board->workers[MODE_OPEN] <= 2 * orders.spare);
        expect_reason(LOWPORT_GRANTED);
}

/* Records find the pipe full: requests are answered all the same, and the loss is told. */
static void lost_records_are_told_of(void **state) {
        struct orders orders = live_orders();
        struct record record;
        uint64_t lost;
        int connection;

        (void)state;
        start(&orders);
        connection = live_connect();
        for (lost = 0; live.board->records_lost < 5; lost++) {
                assert_true(lost < 100000);
                assert_int_equal(check(connection).reply.reason, LOWPORT_GRANTED);
        }
        close(connection);
        do
                record = live_record();
        while (record.kind != RECORD_LOST);
        assert_int_equal(record.count, 5);
}

/* ---- the end ---- */

static void the_end_of_the_manager_is_the_end_of_all(void **state) {
        struct orders orders = live_orders();
        int kept;

        (void)state;
        start(&orders);
        kept = live_connect();
        assert_int_equal(check(kept).reply.reason, LOWPORT_GRANTED);
        close(live.control);
        live.control = -1;
        assert_int_equal(live_wait_for_end(), 0); /* no process holds the records any more */
        live_expect_end(kept);
        close(kept);
}

static void workers_do_not_outlive_the_parent(void **state) {
        struct orders orders = live_orders();

        (void)state;
        start(&orders);
        assert_int_equal(kill(live.pid, SIGKILL), 0);
        assert_int_equal(live_wait_for_end(), 128 + SIGKILL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, live_reset, live_stop)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(what_it_cannot_begin_with_ends_it),
                TEST(without_a_manager_it_does_not_begin),
                TEST(without_a_worker_it_does_not_begin),
                TEST(new_rules_replace_the_old_ones),
                TEST(ready_means_that_no_old_worker_is_left),
                TEST(a_client_without_its_first_answer_is_not_cut_off),
                TEST(what_is_wrong_leaves_the_old_rules),
                TEST(unsealed_rules_are_refused),
                TEST(rules_in_a_file_are_refused),
                TEST(a_dead_worker_is_replaced),
                TEST(a_refused_fork_is_tried_again),
                TEST(workers_that_die_at_birth_are_replaced_with_patience),
                TEST(workers_come_and_go_with_the_clients),
                TEST(lost_records_are_told_of),
                TEST(the_end_of_the_manager_is_the_end_of_all),
                TEST(workers_do_not_outlive_the_parent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
