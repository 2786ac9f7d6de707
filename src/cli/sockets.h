/* SPDX-License-Identifier: MIT */
#pragma once

/* Where the sockets of `lowport run` come from: the daemon, or this process itself. */

#include "cli/spec.h"

struct sockets_options {
        const char *path; /* of the daemon's socket for this mode; NULL: the usual one */
        bool own;         /* sockets of this process's own, which the daemon binds */
        unsigned wait;    /* milliseconds to try again for what may still come */
        bool no_direct;   /* the daemon or nothing */
        bool verbose;
};

/* Obtains a socket for each of the `n` specs that has none (-1) in `fds`, or none at all. Returns an exit status: CLI_OK, or
 * another, with the reason told on standard error. */
int sockets_obtain(const struct spec *specs,
                   size_t n,
                   const struct sockets_options *options,
                   int *fds);
