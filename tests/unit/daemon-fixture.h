/* SPDX-License-Identifier: MIT */
#pragma once

/* What the tests of the daemon share. Include it instead of cmocka.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { FIXTURE_PATIENCE = 10000 }; /* milliseconds until what must come is given up */

/* How many descriptors this process has open. */
size_t fixture_count_fds(void);

/* Monotonic milliseconds. */
uint64_t fixture_now(void);

/* Looks at `condition` until it holds; fails the test when it does not in time. */
#define fixture_wait_for(condition)                                 \
        do {                                                        \
                uint64_t until_ = fixture_now() + FIXTURE_PATIENCE; \
                while (!(condition)) {                              \
                        assert_true(fixture_now() < until_);        \
                        fixture_pause();                            \
                }                                                   \
        } while (0)

/* Between two looks. */
void fixture_pause(void);

/* Waits until there is something to read, or the other end is closed. */
void fixture_wait_readable(int fd);

/* Makes a directory; fixture_remove_directory() removes it and the files in it. */
void fixture_make_directory(char ret[64]);
void fixture_remove_directory(const char *path);

/* Sends what is written to descriptor `fd` (1 or 2) into memory, until fixture_captured() puts it
 * back and returns what it was. Nothing may be asserted in between. */
void fixture_capture(int fd);
const char *fixture_captured(void);

/* Skips a test that cannot be run here. Where CI runs, everything can be. */
void fixture_skip(const char *why);
