/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "binder/handover.h"

enum { PORT = 80, OTHER_PORT = 80 + HANDOVER_WORDS, ROUNDS = 200000 };

static struct board *board;

/* With a clock of the test's own a wait ends at once, and time has passed. */
static uint64_t fake_now;
static unsigned waits, timeouts;
static _Atomic unsigned real_timeouts;

uint64_t __real_board_now(void);
uint64_t __wrap_board_now(void);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

uint64_t __wrap_board_now(void) {
        return fake_now != 0 ? fake_now : __real_board_now();
}

long __wrap_syscall(long number, ...) {
        const struct timespec *timeout;
        uint32_t *word;
        int operation;
        uint32_t value;
        va_list arguments;
        long r;

        va_start(arguments, number);
        word = va_arg(arguments, uint32_t *);
        operation = va_arg(arguments, int);
        value = va_arg(arguments, uint32_t);
        timeout = va_arg(arguments, const struct timespec *);
        va_end(arguments);
        if (fake_now == 0 || operation != FUTEX_WAIT) {
                r = __real_syscall(number, word, operation, value, timeout, NULL, 0);
                if (r < 0 && errno == ETIMEDOUT)
                        real_timeouts++;
                return r;
        }
        waits++;
        if (*word != value) {
                errno = EAGAIN;
                return -1;
        }
        timeouts++;
        fake_now += (uint64_t)timeout->tv_sec * 1000 + (uint64_t)timeout->tv_nsec / 1000000;
        errno = ETIMEDOUT;
        return -1;
}

static int make_board(void **state) {
        static const struct orders orders = { .workers = 4 };

        (void)state;
        fake_now = 0;
        waits = timeouts = 0;
        real_timeouts = 0;
        board = board_new(&orders);
        if (board != NULL)
                board->used = 3;
        return board == NULL;
}

static void without_a_handover_there_is_nothing_to_wait_for(void **state) {
        struct handover handover = handover_start(board, &board->slots[0], PORT);

        (void)state;
        board->slots[0].handing = PORT; /* one's own */
        board->slots[1].handing = OTHER_PORT;
        board->slots[3].handing = PORT; /* no worker is there */
        fake_now = 1000;
        assert_false(handover_ended(&handover));
        assert_int_equal(waits, 0);
}

static void one_that_ended_meanwhile_is_worth_a_try(void **state) {
        struct handover handover;

        (void)state;
        board->slots[1].handing = PORT;
        handover = handover_start(board, &board->slots[0], PORT);
        handover_end(board, &board->slots[1]);
        fake_now = 1000;
        assert_true(handover_ended(&handover));
        assert_false(handover_ended(&handover)); /* and no more than one */
        assert_int_equal(waits, 0);
}

static void one_that_never_ends_is_waited_for_a_second(void **state) {
        struct handover handover = handover_start(board, &board->slots[0], PORT);

        (void)state;
        board->slots[2].handing = PORT;
        fake_now = 1000;
        for (int i = 0; i < 10 && handover_ended(&handover); i++)
                ;
        assert_false(handover_ended(&handover));
        assert_int_equal(fake_now, 2000);
        assert_int_equal(timeouts, 1);
        assert_int_equal(board->handover_waiters[PORT % HANDOVER_WORDS], 0);
}

/* Other ports share the word that is waited on. Their coming and going does not make it longer. */
static void others_do_not_prolong_it(void **state) {
        struct handover handover = handover_start(board, &board->slots[0], PORT);
        unsigned tries = 0;

        (void)state;
        board->slots[2].handing = PORT;
        fake_now = 1000;
        while (handover_ended(&handover)) {
                board->slots[1].handing = OTHER_PORT;
                handover_end(board, &board->slots[1]);
                fake_now += 100;
                assert_true(++tries < 100);
        }
        assert_in_range(fake_now, 2000, 2100);
}

static void ending_none_changes_nothing(void **state) {
        (void)state;
        handover_end(board, &board->slots[1]);
        assert_int_equal(board->handed[0], 0);
}

/* ---- two at once ---- */

static void *wait_for_it(void *ret) {
        struct handover handover = handover_start(board, &board->slots[0], PORT);

        *(bool *)ret = handover_ended(&handover);
        return NULL;
}

static void the_end_wakes_who_waits(void **state) {
        pthread_t waiter;
        bool ended = false;

        (void)state;
        board->slots[1].handing = PORT;
        assert_int_equal(pthread_create(&waiter, NULL, wait_for_it, &ended), 0);
        fixture_wait_for(board->handover_waiters[PORT % HANDOVER_WORDS] == 1);
        handover_end(board, &board->slots[1]);
        assert_int_equal(pthread_join(waiter, NULL), 0);
        assert_true(ended);
        assert_int_equal(real_timeouts, 0);
}

/* One thread is the worker that hands a port over again and again; the other is the one that the
 * client asks next, while the first still has its copy of the socket. */
static _Atomic int copies, asked;
static _Atomic unsigned spurious;
static _Atomic bool over;

static void *ask_again(void *unused) {
        for (int round = 1;; round++) {
                struct handover handover;
                bool ended = true;

                while (copies == 0 && !over) /* until the client has the socket, to close it */
                        (void)sched_yield();
                if (over)
                        return unused;
                handover = handover_start(board, &board->slots[0], PORT);
                asked = round; /* its bind comes while the copy is there, or was a moment ago */
                while (copies != 0 && ended)
                        ended = handover_ended(&handover);
                if (!ended)
                        spurious++;
                while (copies != 0)
                        (void)sched_yield();
                asked = -round;
        }
}

static void no_end_is_missed(void **state) {
        pthread_t other;

        (void)state;
        assert_int_equal(pthread_create(&other, NULL, ask_again, NULL), 0);
        for (int round = 1; round <= ROUNDS && spurious == 0 && real_timeouts == 0; round++) {
                board->slots[1].handing = PORT;
                copies = 1;
                while (asked != round)
                        (void)sched_yield();
                copies = 0;
                handover_end(board, &board->slots[1]);
                while (asked != -round)
                        (void)sched_yield();
        }
        over = true;
        assert_int_equal(pthread_join(other, NULL), 0);
        assert_int_equal(spurious, 0);
        assert_int_equal(real_timeouts, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, make_board)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(without_a_handover_there_is_nothing_to_wait_for),
                TEST(one_that_ended_meanwhile_is_worth_a_try),
                TEST(one_that_never_ends_is_waited_for_a_second),
                TEST(others_do_not_prolong_it),
                TEST(ending_none_changes_nothing),
                TEST(the_end_wakes_who_waits),
                TEST(no_end_is_missed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
