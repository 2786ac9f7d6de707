/* SPDX-License-Identifier: MIT */
#pragma once

/* Lines for standard error, gathered so that many go with one write(2). What cannot be written (a
 * full disk, a reader that has gone) is dropped, and how many records that costs is said. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINES_MAX = 256 };

struct line {
        size_t end;       /* where it ends in the text */
        uint64_t records; /* that it stands for */
};

struct lines {
        char text[64 * 1024];
        struct line lines[LINES_MAX];
        size_t used, n_lines;
        bool torn; /* what was written last is half a line */
};

/* Adds a line, which stands for so many records. Returns as lines_flush(), where there was no room. */
int lines_add(struct lines *lines,
              const char *message,
              const char *details,
              uint64_t records,
              uint64_t *ret_dropped);

/* Writes them, and waits for whoever reads; or returns a negative errno, and how many records were
 * dropped. */
int lines_flush(struct lines *lines, uint64_t *ret_dropped);
