/* SPDX-License-Identifier: MIT */
#pragma once

/* The peer's system unit. Only lowportd can find it, for that takes files; a worker asks it. */

#include "common/registry.h"

/* Asks who is at the other end of `connection`, and waits for the answer, a moment at most. Returns 0
 * with the unit's name, -ESRCH when the peer's process has ended, or another negative errno: it is not
 * known, because the process is in no unit, lowportd does not answer, or the kernel is older than
 * Linux 6.5. */
int unit_ask(int registry, int connection, char ret[UNIT_NAME_MAX]);
