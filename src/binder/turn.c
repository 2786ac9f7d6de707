/* SPDX-License-Identifier: MIT */
#include "binder/turn.h"

#include <linux/futex.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { NOBODY = 0, PATIENCE = 1000 /* milliseconds */ };

static uint32_t name_of(const struct board *board, const struct slot *slot) {
        return (uint32_t)(slot - board->slots) + 1;
}

/* The port, with a mark for UDP. */
static uint32_t key_of(const struct request *request) {
        return request->port + (request->protocol == IPPROTO_UDP ? TURN_WORDS / 2U : 0U);
}

static _Atomic uint32_t *word_of(struct board *board, uint32_t key) {
        return &board->turns[key % TURN_WORDS];
}

bool turn_take(struct board *board, struct slot *slot, const struct request *request) {
        static const struct timespec look_again = { .tv_nsec = PATIENCE * 1000000L / 10 };
        uint32_t key = key_of(request);
        _Atomic uint32_t *word = word_of(board, key);
        uint64_t until = board_now() + PATIENCE;
        uint32_t holder = NOBODY;

        /* First of all, so that a turn that was just taken is known when this process dies. */
        atomic_store(&slot->binding, key);
        while (!atomic_compare_exchange_strong(word, &holder, name_of(board, slot))) {
                if (board_now() >= until) {
                        atomic_store(&slot->binding, 0);
                        return false;
                }
                (void)syscall(SYS_futex, word, FUTEX_WAIT, holder, &look_again, NULL, 0);
                holder = NOBODY;
        }
        return true;
}

void turn_end(struct board *board, struct slot *slot) {
        uint32_t key = atomic_load(&slot->binding), self = name_of(board, slot);
        _Atomic uint32_t *word = word_of(board, key);

        if (key == 0)
                return;
        atomic_store(&slot->binding, 0);
        if (atomic_compare_exchange_strong(word, &self, NOBODY))
                (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}
