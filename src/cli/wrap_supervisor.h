/* SPDX-License-Identifier: MIT */
#pragma once

/* The processes beside the program: one that serves its calls, and one that watches over that and
 * starts another if it is killed. Whichever is left takes the other's place. They are in a session
 * of their own, ignore all signals that can be ignored, hold nothing of the program's but standard
 * error, and end with the last process that could call them. */

#include "cli/wrap_options.h"

struct wrap_supervisor {
        int pid;
        int socket; /* -1: none */
};

/* Starts it, and lets it try whether it can look into this process, as it will into all that this
 * one becomes and starts. Returns 0 or a negative errno: -EPERM, it cannot; -ESRCH, /proc is not
 * there or not that of this process. */
int wrap_supervisor_start(const struct wrap_options *options,
                          const char *own_socket,
                          struct wrap_supervisor *ret);

/* Hands the listener over. Returns 0, when calls are answered from now on, or a negative errno. */
int wrap_supervisor_engage(struct wrap_supervisor *supervisor, int listener);

/* Lets go of it: one that was not engaged ends. */
void wrap_supervisor_done(struct wrap_supervisor *supervisor);
