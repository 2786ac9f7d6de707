/* SPDX-License-Identifier: MIT */
#include "binder/board.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "policy/ruleset.h"

/* In open mode stuck workers are an accident of old kernels, in own mode a user's to make: there
 * they take the place of others. */
uint32_t board_room(const struct orders *orders, enum mode mode) {
        return mode == MODE_OWN ? orders->own_workers : orders->workers + orders->workers / 4 + 1;
}

/* Own mode is asked once by a program that starts, and its workers serve once. */
uint32_t board_spare(const struct orders *orders, enum mode mode) {
        return mode == MODE_OWN ? (orders->spare + 1) / 2 : orders->spare;
}

struct board *board_new(const struct orders *orders) {
        uint32_t n_slots = board_room(orders, MODE_OPEN) + board_room(orders, MODE_OWN);
        size_t size = sizeof(struct board) + n_slots * sizeof(struct slot);
        struct board *board =
                mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (board == MAP_FAILED)
                return NULL;
        board->n_slots = n_slots;
        board->orders = *orders;
        board->started = board_now();
        return board;
}

uint64_t board_now(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void board_enter(struct slot *slot, enum worker_state state) {
        atomic_store_explicit(&slot->since, board_now(), memory_order_relaxed);
        atomic_store(&slot->state, (uint32_t)state);
}

uint32_t board_count(const struct board *board, enum mode mode, enum worker_state state) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < board->used; i++)
                n += board->slots[i].mode == (uint32_t)mode &&
                     atomic_load_explicit(&board->slots[i].state, memory_order_relaxed) ==
                             (uint32_t)state;
        return n;
}

uint32_t board_count_exposed(const struct board *board, uint32_t uid) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < board->used; i++) {
                const struct slot *slot = &board->slots[i];

                n += slot->mode == MODE_OWN && atomic_load(&slot->exposed) != 0 &&
                     (uid == RULESET_NONE || atomic_load(&slot->uid) == uid);
        }
        return n;
}

static uint32_t count_stuck(const struct board *board, uint32_t uid) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < board->used; i++)
                n += board->slots[i].state == WORKER_STUCK && board->slots[i].uid == uid;
        return n;
}

/* Names the user whose descriptors hold most workers. */
static void find_culprit(const struct board *board, uint32_t *ret_uid, uint32_t *ret_count) {
        for (uint32_t i = 0; i < board->used; i++) {
                uint32_t uid = board->slots[i].uid;
                uint32_t n = board->slots[i].state == WORKER_STUCK ? count_stuck(board, uid) : 0;

                if (n > *ret_count) {
                        *ret_uid = uid;
                        *ret_count = n;
                }
        }
}

void board_count_user(const struct board *board,
                      uint32_t uid,
                      uint32_t *ret_connections,
                      uint32_t *ret_unread) {
        uint32_t connections = 0, unread = 0;

        for (uint32_t i = 0; i < board->used; i++) {
                const struct slot *slot = &board->slots[i];
                uint32_t state = atomic_load_explicit(&slot->state, memory_order_relaxed);

                if (state < WORKER_FIRST || atomic_load(&slot->uid) != uid)
                        continue;
                connections++;
                unread += atomic_load_explicit(&slot->unread, memory_order_relaxed);
        }
        *ret_connections = connections;
        *ret_unread = unread;
}

void board_fill_status(const struct board *board, struct wire_status *ret) {
        *ret = (struct wire_status){
                .uptime = (board_now() - board->started) / 1000,
                .granted = board->requests[OUTCOME_GRANTED],
                .denied = board->requests[OUTCOME_DENIED],
                .failed = board->requests[OUTCOME_FAILED],
                .over_limit = board->requests[OUTCOME_OVER_LIMIT],
                .malformed = board->requests[OUTCOME_MALFORMED],
                .evicted = board->evicted,
                .abandoned = board->abandoned,
                .records_lost = board->records_lost,
                .generation = board->generation,
                .rules = board->rules,
                .workers = board->workers[MODE_OPEN],
                .workers_idle = board_count(board, MODE_OPEN, WORKER_IDLE),
                .workers_stuck = board->stuck,
                .workers_max = board->orders.workers,
                .workers_per_user = board->orders.workers_per_user,
                .protections = board->protections,
                .version = LOWPORT_VERSION,
                .own_workers = board->workers[MODE_OWN],
                .own_workers_idle = board_count(board, MODE_OWN, WORKER_IDLE),
                .own_workers_max = board->orders.own_workers,
                .own_per_user = board->orders.own_per_user,
                .timed_out = board->timed_out,
                .turned_away = board->turned_away,
        };
        find_culprit(board, &ret->stuck_uid, &ret->stuck_of_uid);
}
