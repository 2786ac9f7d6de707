/* SPDX-License-Identifier: MIT */
#pragma once

/* What is wrong in a policy, and where. */

#include <stddef.h>
#include <stdint.h>

struct notice {
        char *path;
        uint32_t line, column; /* from 1; 0: it is about the whole file */
        char *text;            /* "what is wrong; what was expected" */
};

struct notices {
        struct notice *list;
        size_t count, capacity;
};

/* Appends one; where there is no memory for it, it is lost (a caller's return value says that there
 * was an error, never the number of notices). */
void notices_add(struct notices *notices,
                 const char *path,
                 uint32_t line,
                 uint32_t column,
                 const char *format,
                 ...) __attribute__((format(printf, 5, 6)));

/* "file:line:column: text", to be freed; NULL if there is no memory. */
char *notice_format(const struct notice *notice);

void notices_done(struct notices *notices);
