/* SPDX-License-Identifier: MIT */
#pragma once

/* What the supervisor says on standard error: a line at a time, and not the same one again and
 * again. Lies in memory that its processes share; that two may write at once costs a line at
 * worst. */

#include <stdint.h>

enum { WRAP_NOTICE_KINDS = 32 };

struct wrap_notices {
        struct {
                uint64_t key;
                uint64_t at; /* seconds */
        } seen[WRAP_NOTICE_KINDS];
        unsigned next;
        uint64_t period; /* when this count of lines began, in seconds */
        unsigned lines;
};

/* Says "lowport: wrap: …", unless a line of the same key was said within a minute. NULL: no two of
 * these lines are the same. Waits a second at most for a reader that is slow. */
void wrap_notice(struct wrap_notices *notices, const char *key, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
