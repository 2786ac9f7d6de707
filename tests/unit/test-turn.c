/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binder/turn.h"

static const struct request port = { .port = 53, .protocol = IPPROTO_TCP };
static const struct request other_port = { .port = 54, .protocol = IPPROTO_TCP };
static const struct request other_protocol = { .port = 53, .protocol = IPPROTO_UDP };

static struct board *board;

static int make_board(void **state) {
        static const struct orders orders = { .workers = 4, .own_workers = 4 };

        (void)state;
        board = board_new(&orders);
        return board == NULL ? -1 : 0;
}

static void a_turn_is_taken_and_ended(void **state) {
        (void)state;
        for (int i = 0; i < 2; i++) {
                assert_true(turn_take(board, &board->slots[0], &port));
                assert_int_equal(board->slots[0].binding, port.port);
                turn_end(board, &board->slots[0]);
                assert_int_equal(board->slots[0].binding, 0);
        }
        turn_end(board, &board->slots[0]); /* who has none ends none */
        assert_true(turn_take(board, &board->slots[1], &port));
}

static void another_port_is_another_turn(void **state) {
        (void)state;
        assert_true(turn_take(board, &board->slots[0], &port));
        assert_true(turn_take(board, &board->slots[1], &other_port));
        assert_true(turn_take(board, &board->slots[2], &other_protocol));
}

static void who_waits_in_vain_gives_up(void **state) {
        uint64_t begin = board_now();

        (void)state;
        assert_true(turn_take(board, &board->slots[0], &port));
        assert_false(turn_take(board, &board->slots[1], &port));
        assert_true(board_now() - begin >= 900);
        assert_int_equal(board->slots[1].binding, 0);
        turn_end(board, &board->slots[1]); /* ends nobody else's */
        assert_false(turn_take(board, &board->slots[2], &port));
}

/* Its parent ends it then. */
static void the_turn_of_a_dead_worker_is_over(void **state) {
        pid_t holder = fork();

        (void)state;
        if (holder == 0) {
                (void)turn_take(board, &board->slots[0], &port);
                (void)kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(holder, NULL, 0), holder);
        assert_int_equal(board->slots[0].binding, port.port);
        turn_end(board, &board->slots[0]);
        assert_true(turn_take(board, &board->slots[1], &port));
}

static void never_are_two_at_it(void **state) {
        enum { CHILDREN = 4, ROUNDS = 2000 };
        pid_t children[CHILDREN];
        _Atomic uint32_t *inside = &board->crowd, *seen = &board->crowded; /* words to share */

        (void)state;
        for (uint32_t i = 0; i < CHILDREN; i++) {
                children[i] = fork();
                if (children[i] != 0)
                        continue;
                for (int n = 0; n < ROUNDS; n++) {
                        if (!turn_take(board, &board->slots[i], &port))
                                _exit(1);
                        if (atomic_fetch_add(inside, 1) != 0)
                                atomic_fetch_add(seen, 1);
                        atomic_fetch_sub(inside, 1);
                        turn_end(board, &board->slots[i]);
                }
                _exit(0);
        }
        for (uint32_t i = 0; i < CHILDREN; i++) {
                int status = -1;

                assert_int_equal(waitpid(children[i], &status, 0), children[i]);
                assert_int_equal(status, 0);
        }
        assert_int_equal(*seen, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(a_turn_is_taken_and_ended, make_board),
                cmocka_unit_test_setup(another_port_is_another_turn, make_board),
                cmocka_unit_test_setup(who_waits_in_vain_gives_up, make_board),
                cmocka_unit_test_setup(the_turn_of_a_dead_worker_is_over, make_board),
                cmocka_unit_test_setup(never_are_two_at_it, make_board),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
