/* SPDX-License-Identifier: MIT */
#include "binder/handover.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "binder/leader.h"

enum { PATIENCE = 1000 }; /* milliseconds */

static uint32_t word_of(uint32_t port) {
        return port % HANDOVER_WORDS;
}

static bool is_handed_over(const struct handover *h) {
        for (uint32_t i = 0; i < h->board->used; i++) {
                const struct slot *slot = &h->board->slots[i];

                if (slot != h->self && atomic_load(&slot->handing) == h->port)
                        return true;
        }
        return false;
}

struct handover handover_start(struct board *board, const struct slot *self, uint16_t port) {
        return (struct handover){
                .board = board,
                .self = self,
                .port = port,
                .seen = atomic_load(&board->handed[word_of(port)]),
        };
}

/* Sleeps until the count of ended hand-overs is not `seen` any more. */
static void wait_for_end(struct handover *h, uint64_t milliseconds) {
        struct timespec timeout = {
                .tv_sec = (time_t)(milliseconds / 1000),
                .tv_nsec = (long)(milliseconds % 1000) * 1000000,
        };
        _Atomic uint32_t *word = &h->board->handed[word_of(h->port)];

        leader_step_down(h->board, h->self);
        atomic_fetch_add(&h->board->handover_waiters[word_of(h->port)], 1);
        if (is_handed_over(h))
                (void)syscall(SYS_futex, word, FUTEX_WAIT, h->seen, &timeout, NULL, 0);
        atomic_fetch_sub(&h->board->handover_waiters[word_of(h->port)], 1);
}

bool handover_ended(struct handover *h) {
        _Atomic uint32_t *word = &h->board->handed[word_of(h->port)];
        uint64_t now = board_now();

        if (h->until == 0)
                h->until = now + PATIENCE;
        if (now >= h->until)
                return false;
        if (atomic_load(word) == h->seen) {
                if (!is_handed_over(h))
                        /* It may have ended between the two looks. */
                        return atomic_load(word) != h->seen;
                wait_for_end(h, h->until - now);
        }
        h->seen = atomic_load(word);
        return true;
}

void handover_end(struct board *board, struct slot *slot) {
        uint32_t port = atomic_load(&slot->handing);

        if (port == 0)
                return;
        /* Counted before and after, so that whoever finds the slot clear finds the count moved. */
        atomic_fetch_add(&board->handed[word_of(port)], 1);
        atomic_store(&slot->handing, 0);
        atomic_fetch_add(&board->handed[word_of(port)], 1);
        if (atomic_load(&board->handover_waiters[word_of(port)]) > 0)
                (void)syscall(SYS_futex,
                              &board->handed[word_of(port)],
                              FUTEX_WAKE,
                              INT32_MAX,
                              NULL,
                              NULL,
                              0);
}
