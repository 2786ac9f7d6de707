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

bool leader_is(const struct board *board, const struct slot *slot) {
        return atomic_load(&board->leader) == name_of(board, slot);
}

bool leader_become(struct board *board, const struct slot *slot) {
        uint32_t now = NOBODY;

        if (leader_is(board, slot))
                return true;
        while (!atomic_compare_exchange_strong(&board->leader, &now, name_of(board, slot))) {
                if (syscall(SYS_futex, &board->leader, FUTEX_WAIT, now, NULL, NULL, 0) < 0 &&
                    errno == EINTR)
                        return false;
                now = NOBODY;
        }
        return true;
}

void leader_step_down(struct board *board, const struct slot *slot) {
        uint32_t self = name_of(board, slot);

        (void)atomic_compare_exchange_strong(&board->leader, &self, NOBODY);
        (void)syscall(SYS_futex, &board->leader, FUTEX_WAKE, 1, NULL, NULL, 0);
}
