/* SPDX-License-Identifier: MIT */
#pragma once

/* Of the idle workers of a mode one, the leader, waits for connections; the others wait to become it. It
 * stays the leader while it serves, since that takes microseconds, and while it waits on a client
 * it watches the listener too, and steps down when somebody else comes. So clients that come one
 * after another meet one process, with warm caches and no second one woken in vain; and clients
 * that come together meet many. */

#include <stdbool.h>

#include "binder/board.h"

/* Waits to become the leader. Returns false when a signal came, and at once if the slot's worker
 * is the leader already. */
bool leader_become(struct board *board, const struct slot *slot);

bool leader_is(struct board *board, const struct slot *slot);

/* Lets another worker lead, if the slot's worker leads. Also to be called for one that has died,
 * which may have been woken to lead and not have done it. */
void leader_step_down(struct board *board, const struct slot *slot);
