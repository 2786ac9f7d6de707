/* SPDX-License-Identifier: MIT */
#pragma once

/* In own mode a socket is bound in two steps, a look at who holds the port and the bind. Between
 * them no other worker may bind a client's socket to the same port, or both would find it free and
 * then share it; so they take turns, by port. A worker that is stuck keeps its turn; so nobody
 * waits for one at another port, and UDP and the others do not wait for each other. */

#include <stdbool.h>
#include <stdint.h>

#include "binder/board.h"

/* Waits for the turn of the slot's worker at what `request` asks for, for a second at most. Returns
 * false when it did not come: somebody is at it who is held up. */
bool turn_take(struct board *board, struct slot *slot, const struct request *request);

/* Lets the next one in, if the slot's worker has a turn. Also to be called for one that has died,
 * but not before: a stuck one may still bind. */
void turn_end(struct board *board, struct slot *slot);
