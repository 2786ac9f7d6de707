/* SPDX-License-Identifier: MIT */
#pragma once

/* The supervisor's daily work: takes calls, lets pass at once what is not about a low port, and has
 * the others dealt with by helpers, a process for each, so that none waits for another's. */

#include "cli/wrap_desk.h"

enum { WRAP_SERVICE_ENDED, WRAP_SERVICE_ALONE };

/* Serves until the last target has gone (WRAP_SERVICE_ENDED), or `witness`, the parent, has
 * (WRAP_SERVICE_ALONE; 0: there is none). All signals must be blocked. Returns a negative errno
 * where it cannot go on. */
int wrap_service_run(struct wrap_desk *desk, int listener, pid_t witness);
