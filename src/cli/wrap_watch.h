/* SPDX-License-Identifier: MIT */
#pragma once

/* The witness: sees to it that there is a process that serves, and says so when one was killed. */

#include "cli/wrap_desk.h"

/* Ends with the last target. All signals must be blocked. */
_Noreturn void wrap_watch(struct wrap_desk *desk, int listener);
