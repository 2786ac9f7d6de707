/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binder/board.h"
#include "policy/ruleset.h"

static struct board *new_board(uint32_t workers) {
        const struct orders orders = {
                .workers = workers,
                .workers_per_user = 3,
                .own_workers = 5,
                .own_per_user = 2,
        };
        struct board *board = board_new(&orders);

        assert_non_null(board);
        return board;
}

static void place(struct board *board, uint32_t i, enum worker_state state, uint32_t uid) {
        board_enter(&board->slots[i], state);
        board->slots[i].uid = uid;
        if (board->used <= i)
                board->used = i + 1;
}

static void it_has_room_for_stuck_workers_too(void **state) {
        (void)state;
        assert_true(new_board(1)->n_slots > 1);
        assert_true(new_board(WORKERS_LIMIT)->n_slots > WORKERS_LIMIT);
        assert_int_equal(new_board(8)->orders.workers_per_user, 3);
        assert_int_equal(board_count(new_board(8), MODE_OPEN, WORKER_IDLE), 0);
}

static void it_is_shared(void **state) {
        struct board *board = new_board(2);
        pid_t pid = fork();
        int status;

        (void)state;
        if (pid == 0) {
                board_enter(&board->slots[1], WORKER_SERVING);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(board->slots[1].state, WORKER_SERVING);
        assert_true(board->slots[1].since <= board_now());
        assert_true(board->slots[1].since > 0);
}

static void workers_are_counted_by_state(void **state) {
        struct board *board = new_board(8);

        (void)state;
        place(board, 0, WORKER_IDLE, 1);
        place(board, 1, WORKER_NEXT, 1);
        place(board, 2, WORKER_IDLE, 1);
        place(board, 3, WORKER_STUCK, 1);
        place(board, 5, WORKER_FIRST, 1);
        assert_int_equal(board_count(board, MODE_OPEN, WORKER_IDLE), 2);
        assert_int_equal(board_count(board, MODE_OPEN, WORKER_NEXT), 1);
        assert_int_equal(board_count(board, MODE_OPEN, WORKER_NONE), 1);
        assert_int_equal(board_count(board, MODE_OPEN, WORKER_SERVING), 0);

        /* What lies behind is not looked at. */
        board->used = 2;
        assert_int_equal(board_count(board, MODE_OPEN, WORKER_IDLE), 1);
}

static void the_modes_are_counted_apart(void **state) {
        struct board *board = new_board(8);

        (void)state;
        place(board, 0, WORKER_IDLE, 1);
        place(board, 1, WORKER_IDLE, 1);
        place(board, 2, WORKER_IDLE, 1);
        board->slots[1].mode = MODE_OWN;
        assert_int_equal(board_count(board, MODE_OPEN, WORKER_IDLE), 2);
        assert_int_equal(board_count(board, MODE_OWN, WORKER_IDLE), 1);
}

/* Those of stuck workers count for as long as these last. */
static void what_descriptors_may_hold_up_is_counted(void **state) {
        struct board *board = new_board(8);

        (void)state;
        place(board, 0, WORKER_NEXT, 7);
        place(board, 1, WORKER_STUCK, 7);
        place(board, 2, WORKER_SERVING, 8);
        place(board, 3, WORKER_SERVING, 7); /* in open mode, on an old kernel */
        place(board, 4, WORKER_NEXT, 7);    /* nothing was granted yet */
        for (uint32_t i = 0; i < 5; i++) {
                board->slots[i].mode = i == 3 ? MODE_OPEN : MODE_OWN;
                board->slots[i].exposed = i != 4;
        }
        assert_int_equal(board_count_exposed(board, 7), 2);
        assert_int_equal(board_count_exposed(board, 8), 1);
        assert_int_equal(board_count_exposed(board, 9), 0);
        assert_int_equal(board_count_exposed(board, RULESET_NONE), 3);
}

static void connections_are_counted_by_user(void **state) {
        struct board *board = new_board(8);
        uint32_t connections, unread;

        (void)state;
        place(board, 0, WORKER_IDLE, 7); /* its last client is gone */
        place(board, 1, WORKER_FIRST, 7);
        place(board, 2, WORKER_NEXT, 7);
        place(board, 3, WORKER_SERVING, 8);
        place(board, 4, WORKER_NONE, 7);
        place(board, 5, WORKER_STUCK, 7); /* still holds what the user sent */
        board->slots[0].unread = 1;
        board->slots[2].unread = 1;
        board->slots[3].unread = 1;

        board_count_user(board, 7, &connections, &unread);
        assert_int_equal(connections, 3);
        assert_int_equal(unread, 1);
        board_count_user(board, 8, &connections, &unread);
        assert_int_equal(connections, 1);
        assert_int_equal(unread, 1);
        board_count_user(board, 9, &connections, &unread);
        assert_int_equal(connections, 0);
        assert_int_equal(unread, 0);
}

static void status_tells_every_counter(void **state) {
        struct board *board = new_board(8);
        struct wire_status status;

        (void)state;
        for (uint32_t i = 0; i < OUTCOMES; i++)
                board->requests[i] = 10 + i;
        board->evicted = 20;
        board->abandoned = 21;
        board->records_lost = 22;
        board->timed_out = 28;
        board->turned_away = 29;
        board->workers[MODE_OPEN] = 23;
        board->workers[MODE_OWN] = 27;
        board->stuck = 24;
        board->generation = 25;
        board->rules = 26;
        board->started = board_now() - 61 * 1000;
        place(board, 0, WORKER_IDLE, 0);
        place(board, 1, WORKER_IDLE, 0);
        place(board, 2, WORKER_IDLE, 0);
        board->slots[1].mode = board->slots[2].mode = MODE_OWN;
        place(board, 3, WORKER_STUCK, 7);
        place(board, 4, WORKER_STUCK, 9);
        place(board, 5, WORKER_STUCK, 9);
        memset(&status, 0xff, sizeof(status));
        board_fill_status(board, &status);

        assert_in_range(status.uptime, 61, 120);
        assert_int_equal(status.granted, 10 + OUTCOME_GRANTED);
        assert_int_equal(status.denied, 10 + OUTCOME_DENIED);
        assert_int_equal(status.failed, 10 + OUTCOME_FAILED);
        assert_int_equal(status.over_limit, 10 + OUTCOME_OVER_LIMIT);
        assert_int_equal(status.malformed, 10 + OUTCOME_MALFORMED);
        assert_int_equal(status.evicted, 20);
        assert_int_equal(status.abandoned, 21);
        assert_int_equal(status.records_lost, 22);
        assert_int_equal(status.workers, 23);
        assert_int_equal(status.workers_idle, 1);
        assert_int_equal(status.workers_stuck, 24);
        assert_int_equal(status.generation, 25);
        assert_int_equal(status.rules, 26);
        assert_int_equal(status.workers_max, 8);
        assert_int_equal(status.workers_per_user, 3);
        assert_int_equal(status.protections, 0);
        assert_int_equal(status.own_workers, 27);
        assert_int_equal(status.own_workers_idle, 2);
        assert_int_equal(status.own_workers_max, 5);
        assert_int_equal(status.own_per_user, 2);
        assert_int_equal(status.stuck_uid, 9);
        assert_int_equal(status.stuck_of_uid, 2);
        assert_int_equal(status.timed_out, 28);
        assert_int_equal(status.turned_away, 29);
        assert_string_equal(status.version, LOWPORT_VERSION);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_has_room_for_stuck_workers_too),
                cmocka_unit_test(it_is_shared),
                cmocka_unit_test(workers_are_counted_by_state),
                cmocka_unit_test(the_modes_are_counted_apart),
                cmocka_unit_test(what_descriptors_may_hold_up_is_counted),
                cmocka_unit_test(connections_are_counted_by_user),
                cmocka_unit_test(status_tells_every_counter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
