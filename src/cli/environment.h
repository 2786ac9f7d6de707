/* SPDX-License-Identifier: MIT */
#pragma once

/* How the program that `lowport run` starts finds its sockets: descriptors from 3 on, and the
 * variables of socket activation. */

#include <stdbool.h>
#include <sys/types.h>

#include "cli/template.h"

enum { ENVIRONMENT_FIRST_FD = 3 };

/* Sockets that `lowport run` was started with itself. */
struct inherited {
        size_t n;
        char **names; /* n of them */
};

/* Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES: what is meant for another process is none of
 * ours. Returns 0 (also for none), or a negative errno: -EBADF, a descriptor that they promise is
 * not open; -ENOMEM. */
int environment_inherited(struct inherited *ret);
void inherited_done(struct inherited *inherited);

/* Sets LISTEN_FDS, LISTEN_FDNAMES and, unless `pid` is 0, LISTEN_PID; unsets them with n == 0.
 * Returns 0 or a negative errno. */
int environment_announce(const struct handed *handed, size_t n, pid_t pid);

/* Moves `fds` to the numbers that `handed` says, where they stay open at exec. Whatever was there
 * before is closed. Returns 0 or a negative errno; the descriptors of `fds` are gone then, too. */
int environment_place(int *fds, const struct handed *handed, size_t n);
