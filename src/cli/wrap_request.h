/* SPDX-License-Identifier: MIT */
#pragma once

/* One bind(2) of a target: who asks, for which socket, what comes of it. */

#include "cli/wrap_desk.h"

/* Deals with the call in `seat` and answers it. Takes as long as the daemon does, and writes to
 * standard error, so it is for a process of its own. */
void wrap_request_attend(struct wrap_desk *desk, const struct wrap_seat *seat, int listener);

/* Gives up on it: EACCES, with the reason told. */
void wrap_request_refuse(struct wrap_desk *desk, const struct wrap_seat *seat, int listener);
