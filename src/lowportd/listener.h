/* SPDX-License-Identifier: MIT */
#pragma once

/* The Unix socket that clients connect to. */

#include <stdbool.h>

struct listener {
        int fd;     /* bound; whether it listens already is the binder's business */
        char *path; /* to be removed at the end, if we made it; else NULL */
};

/* Takes the socket that the service manager passes under the name "open", or makes one at `path`
 * (NULL: the usual place). Says what is wrong, and returns a negative errno then. */
int listener_open(const char *path, struct listener *ret);

/* Closes our descriptor; the socket itself lives on in the binder. */
void listener_close(struct listener *listener);

/* Removes the socket that was made, at the end of all. */
void listener_remove(struct listener *listener);
