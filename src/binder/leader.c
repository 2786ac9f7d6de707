/* SPDX-License-Identifier: MIT */
#include "binder/leader.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 0 };

static uint32_t name_of(const struct board *board, const struct slot *slot) {
        return (uint32_t)(slot - board->slots) + 1;
}

static _Atomic uint32_t *word_of(struct board *board, const struct slot *slot) {
        return &board->leaders[slot->mode];
}

bool leader_is(struct board *board, const struct slot *slot) {
        return atomic_load(word_of(board, slot)) == name_of(board, slot);
}

bool leader_become(struct board *board, const struct slot *slot) {
        uint32_t now = NOBODY;

        if (leader_is(board, slot))
                return true;
        while (!atomic_compare_exchange_strong(word_of(board, slot), &now, name_of(board, slot))) {
                if (syscall(SYS_futex, word_of(board, slot), FUTEX_WAIT, now, NULL, NULL, 0) < 0 &&
                    errno == EINTR)
                        return false;
                now = NOBODY;
        }
        return true;
}

void leader_step_down(struct board *board, const struct slot *slot) {
        uint32_t self = name_of(board, slot);

        (void)atomic_compare_exchange_strong(word_of(board, slot), &self, NOBODY);
        (void)syscall(SYS_futex, word_of(board, slot), FUTEX_WAKE, 1, NULL, NULL, 0);
}
