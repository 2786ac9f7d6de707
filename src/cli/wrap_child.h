/* SPDX-License-Identifier: MIT */
#pragma once

/* Children that the program which this process becomes does not notice. */

#include <sys/types.h>

/* fork(2), but for two things: the end of the child sends no signal, and a wait(2) without __WCLONE
 * or __WALL does not see it. Returns as fork(2) does, or a negative errno. */
pid_t wrap_child_new(void);

/* Waits for its end. Returns its exit status, or -ECHILD where it had none. */
int wrap_child_wait(pid_t pid);
