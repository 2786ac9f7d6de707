/* SPDX-License-Identifier: MIT */
#pragma once

/* Takes this process out of everything that it shares with the program that its parent becomes:
 * session, terminal, signals, working directory, descriptors but standard error (`quiet`: that as
 * well), and gives up the capability that is the daemon's to use. `socket` is kept, with a new
 * number. Returns 0 or a negative errno. */

#include <stdbool.h>

int wrap_retreat(int *socket, bool quiet);
