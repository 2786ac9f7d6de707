/* SPDX-License-Identifier: MIT */
#pragma once

/* The Unix sockets that clients connect to: one of the open mode, one of the own mode. */

#include <stdbool.h>

struct listener {
        int fd;     /* bound; whether it listens already is the binder's business; -1: none */
        char *path; /* to be removed at the end, if we made it; else NULL */
};

struct listeners {
        struct listener open, own;
};

/* Takes the sockets that the service manager passes under the names "open" and "own". Where it passes
 * none, makes those that have a path here, or both at their usual places if neither has. Says what is
 * wrong, and returns a negative errno then. */
int listeners_open(const char *open_path, const char *own_path, struct listeners *ret);

/* Closes our descriptors; the sockets themselves live on in the binder. */
void listeners_close(struct listeners *listeners);

/* Removes the sockets that were made, at the end of all. */
void listeners_remove(struct listeners *listeners);
