/* SPDX-License-Identifier: MIT */
#pragma once

/* One request and its answer, with all the patience that a client is to have. */

#include "client/handle.h"

/* Asks the daemon; `passed` is the descriptor that goes with OWN, else -1. Connects where there is no connection, connects again where the daemon has
 * closed a kept one, and comes again while the daemon is over a limit. Returns 0 with the daemon's
 * answer, which may well be a refusal, in `ret` and with the socket that came, or -1, in `ret_fd`.
 * Else returns a negative errno with the reason in `ret_reason`. */
int exchange(struct lowport *lp,
             const struct wire_request *request,
             int passed,
             const struct deadline *deadline,
             struct wire_reply *ret,
             int *ret_fd,
             enum lowport_reason *ret_reason);
