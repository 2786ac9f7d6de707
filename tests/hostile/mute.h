/* SPDX-License-Identifier: MIT */
#pragma once

/* A file system in user space that does not answer: silent.py in C, for attacks in great number.
 * It has one file. Opening it works; reading it lasts for ever, and so does closing it where that is
 * wanted, until the file system ends. */

#include <stdbool.h>
#include <sys/types.h>

enum { MUTE_PAGES = 64 };

struct mute {
        pid_t server;
        int told; /* a byte comes for each page that somebody waits for */
        const char *where;
};

/* Once in a process: namespaces in which an ordinary user may mount. */
void mute_enter(void);

/* Mounts one on the directory `where`, by the device `device`. */
struct mute mute_begin(const char *device, const char *where, bool silent_at_close);

/* The file, for reading. */
int mute_open(const struct mute *mute);

/* Lets everybody go who waits for it. */
void mute_end(struct mute *mute);
