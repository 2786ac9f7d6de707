/* SPDX-License-Identifier: MIT */
#pragma once

/* The parent: takes orders from lowportd and keeps workers ready. It never reads what a client
 * sends. */

#include "binder/board.h"

/* Serves on a bound Unix socket for each mode (-1: not served) until lowportd closes the control socket. Returns 0, or a negative errno when it cannot
 * start or go on. */
int parent_run(int control, int records, int registry, const int listeners[MODES]);
