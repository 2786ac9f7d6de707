/* SPDX-License-Identifier: MIT */
#pragma once

/* One bind(2) of a target: who asks, for which socket, what comes of it. */

#include "cli/wrap_desk.h"

/* Instead of an errno: the kernel is to do the call. */
enum { WRAP_PASS = -1 };

/* Deals with the call in `seat`, and returns what bind(2) is to say: an errno, 0 or WRAP_PASS. Takes
 * as long as the daemon does, and writes to standard error, so it is for a process of its own. */
int wrap_request_decide(struct wrap_desk *desk, const struct wrap_seat *seat, int listener);

/* Gives up on it: tells why, and returns EACCES. */
int wrap_request_refuse(struct wrap_desk *desk, const struct wrap_seat *seat);
