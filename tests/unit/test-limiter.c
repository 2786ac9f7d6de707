/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <stdlib.h>
#include <string.h>

#include "lowportd/limiter.h"

enum { BURST = 100, RATE = 5, SECOND = 1000000 };

static struct limiter limiter;
static uint64_t now;

/* Lets records of a user come; returns how many are to be written. */
static unsigned come(uint32_t uid, enum verdict verdict, unsigned count) {
        unsigned allowed = 0;

        while (count-- > 0)
                allowed += limiter_allow(&limiter, now, uid, verdict);
        return allowed;
}

static int begin(void **state) {
        (void)state;
        memset(&limiter, 0, sizeof(limiter));
        limiter_begin(&limiter, RATE, BURST, 4711);
        now = UINT64_C(1000) * SECOND;
        return 0;
}

/* All that is to be told by then, added up. */
static uint64_t told(uint64_t when) {
        struct suppression suppression;
        struct allowance *allowance;
        size_t cursor = 0;
        uint64_t sum = 0;

        while ((allowance = limiter_next(&limiter, when, &cursor, &suppression)) != NULL) {
                for (size_t i = 0; i < VERDICTS; i++)
                        sum += suppression.counts[i];
                limiter_told(allowance);
        }
        return sum;
}

static void a_burst_and_then_a_rate(void **state) {
        (void)state;
        assert_int_equal(come(1001, VERDICT_DENIED, 1000), BURST);
        now += 10 * SECOND;
        assert_int_equal(come(1001, VERDICT_MALFORMED, 1000), 10 * RATE);
        now += 3600 * (uint64_t)SECOND;
        assert_int_equal(come(1001, VERDICT_FAILED, 1000), BURST); /* and no more, however long */
}

static void grants_have_ten_times_as_much_of_their_own(void **state) {
        (void)state;
        assert_int_equal(come(1001, VERDICT_GRANTED, 5000), 10 * BURST);
        assert_int_equal(come(1001, VERDICT_DENIED, 1000), BURST);
        now += 10 * SECOND;
        assert_int_equal(come(1001, VERDICT_GRANTED, 5000), 10 * 10 * RATE);
}

static void users_do_not_pay_for_each_other(void **state) {
        (void)state;
        assert_int_equal(come(1001, VERDICT_DENIED, 100000), BURST);
        assert_int_equal(come(1002, VERDICT_DENIED, 1), 1);
        assert_int_equal(come(200001, VERDICT_DENIED, 100000), BURST);
        assert_int_equal(come(200002, VERDICT_DENIED, 1), 1); /* also not within a block */
}

static void what_is_suppressed_is_told_when_it_is_due(void **state) {
        struct suppression suppression;
        struct allowance *allowance;
        size_t cursor = 0;

        (void)state;
        assert_true(limiter.due == UINT64_MAX);
        (void)come(1001, VERDICT_DENIED, BURST + 7);
        (void)come(1001, VERDICT_LIMITED, 3);
        assert_true(limiter.due == now + LIMITER_INTERVAL);
        assert_null(limiter_next(&limiter, now + LIMITER_INTERVAL - 1, &cursor, &suppression));
        allowance = limiter_next(&limiter, now + LIMITER_INTERVAL, &cursor, &suppression);
        assert_non_null(allowance);
        assert_int_equal(suppression.first, 1001);
        assert_int_equal(suppression.last, 1001);
        assert_int_equal(suppression.counts[VERDICT_DENIED], 7);
        assert_int_equal(suppression.counts[VERDICT_LIMITED], 3);
        limiter_told(allowance);
        assert_null(limiter_next(&limiter, now + LIMITER_INTERVAL, &cursor, &suppression));
        assert_true(limiter.due == UINT64_MAX);
        assert_int_equal(told(UINT64_MAX), 0);
}

static void who_is_not_due_is_told_later_or_at_the_end(void **state) {
        uint64_t first = now + LIMITER_INTERVAL;

        (void)state;
        (void)come(1001, VERDICT_DENIED, BURST + 1);
        now += SECOND;
        (void)come(1002, VERDICT_DENIED, BURST + 20);
        assert_int_equal(told(first), 1);
        assert_true(limiter.due == first + SECOND);
        assert_int_equal(told(UINT64_MAX), 20);
}

/* One person with as many uids as a user namespace gives. */
static void the_uids_of_a_block_have_a_bound_together(void **state) {
        struct suppression suppression;
        size_t cursor = 0;
        unsigned allowed = 0;

        (void)state;
        for (uint32_t uid = 0; uid < 65536; uid++)
                allowed += come(3 * 65536 + uid, VERDICT_DENIED, 2);
        assert_int_equal(allowed, 10 * BURST);
        assert_int_equal(come(1001, VERDICT_DENIED, BURST), BURST);
        assert_int_equal(come(4 * 65536, VERDICT_DENIED, BURST), BURST);
        assert_non_null(limiter_next(&limiter, UINT64_MAX, &cursor, &suppression));
        assert_int_equal(suppression.first, 3 * 65536);
        assert_int_equal(suppression.last, 4 * 65536 - 1);
        assert_int_equal(suppression.counts[VERDICT_DENIED], 2 * 65536 - 10 * BURST);
}

/* However many uids come, and in whatever order, what is not allowed is told. */
static void every_record_is_allowed_or_told(void **state) {
        uint64_t allowed = 0, sum = 0, all = 0;
        unsigned random = 1;

        (void)state;
        for (unsigned i = 0; i < 300000; i++) {
                random = random * 1103515245 + 12345;
                now += (random >> 16) % 100;
                allowed += come((random >> 8) % 60000, (random >> 4) % VERDICTS, 1 + i % 7);
                all += 1 + i % 7;
                if (i % 1000 == 0)
                        sum += told(now);
        }
        sum += told(UINT64_MAX);
        assert_true(allowed > 1000 && sum > 1000);
        assert_int_equal(allowed + sum, all);
}

static void whom_there_is_no_room_for_shares_what_is_left(void **state) {
        unsigned allowed = 0;
        struct suppression suppression;
        size_t cursor = 0;

        (void)state;
        for (uint32_t uid = 1; uid <= 60000; uid++)
                allowed += come(uid, VERDICT_DENIED, 1);
        assert_in_range(allowed, 10 * BURST, LIMITER_SETS * LIMITER_WAYS + 10 * BURST);
        assert_non_null(limiter_next(&limiter, UINT64_MAX, &cursor, &suppression));
        assert_int_equal(suppression.first, 0);
        assert_int_equal(suppression.last, UINT32_MAX);
        assert_int_equal(suppression.counts[VERDICT_DENIED], 60000 - allowed);
        /* A moment later there is room again. */
        now += 60 * SECOND;
        assert_int_equal(come(70, VERDICT_DENIED, 1), 1);
}

static void without_a_rate_everything_is_written(void **state) {
        (void)state;
        limiter_begin(&limiter, 0, BURST, 0);
        assert_int_equal(come(1001, VERDICT_DENIED, 100000), 100000);
        assert_int_equal(told(UINT64_MAX), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(a_burst_and_then_a_rate, begin),
                cmocka_unit_test_setup(grants_have_ten_times_as_much_of_their_own, begin),
                cmocka_unit_test_setup(users_do_not_pay_for_each_other, begin),
                cmocka_unit_test_setup(what_is_suppressed_is_told_when_it_is_due, begin),
                cmocka_unit_test_setup(who_is_not_due_is_told_later_or_at_the_end, begin),
                cmocka_unit_test_setup(the_uids_of_a_block_have_a_bound_together, begin),
                cmocka_unit_test_setup(every_record_is_allowed_or_told, begin),
                cmocka_unit_test_setup(whom_there_is_no_room_for_shares_what_is_left, begin),
                cmocka_unit_test_setup(without_a_rate_everything_is_written, begin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
