/* SPDX-License-Identifier: MIT */
#pragma once

/* In own mode a socket is bound in two steps, a look at who holds the port and the bind. Between
 * them no other worker may bind a client's socket to the same port, or both would find it free and
 * then share it; so they take turns, by port. */

#include <stdbool.h>
#include <stdint.h>

#include "binder/board.h"

/* Waits for the turn of the slot's worker at `port`, for a second at most. Returns false when it did
 * not come: somebody is at it who is held up. */
bool turn_take(struct board *board, struct slot *slot, uint16_t port);

/* Lets the next one in, if the slot's worker has a turn. Also to be called for one that has died,
 * but not before: a stuck one may still bind. */
void turn_end(struct board *board, struct slot *slot);
