/* SPDX-License-Identifier: MIT */
#pragma once

/* How `lowport run` and `lowport wrap` end: they become the program. */

/* Becomes `command`, which is looked for along $PATH. Returns only if it cannot be run: the exit
 * status, with the reason told. */
int execute(char **command);
