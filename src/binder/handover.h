/* SPDX-License-Identifier: MIT */
#pragma once

/* Between bind(2) and the closing of its own copy a worker holds a port that is its client's. A
 * bind that fails in that time must wait for the hand-over to end, and be tried again. */

#include <stdbool.h>
#include <stdint.h>

#include "binder/board.h"

struct handover {
        struct board *board;
        const struct slot *self;
        uint32_t port;
        uint32_t seen;  /* hand-overs of such ports that had ended before the bind */
        uint64_t until; /* when waiting ends, monotonic milliseconds; 0: has not begun */
};

/* To be called before the bind. */
struct handover handover_start(struct board *board, const struct slot *self, uint16_t port);

/* To be called when it said EADDRINUSE: true when a hand-over of the port has ended meanwhile, so
 * that another try may go otherwise. Waits for one that is going on, a second at most in all. */
bool handover_ended(struct handover *handover);

/* Ends the hand-over that the slot's worker is in, if any. */
void handover_end(struct board *board, struct slot *slot);
