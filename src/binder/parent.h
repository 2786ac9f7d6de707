/* SPDX-License-Identifier: MIT */
#pragma once

/* The parent: takes orders from lowportd and keeps workers ready. It never reads what a client
 * sends. */

#include <stdint.h>

/* Serves until lowportd closes the control socket. Returns 0, or a negative errno when it cannot
 * start or go on. */
int parent_run(int control, int listener, int records);
