/* SPDX-License-Identifier: MIT */
#pragma once

/* A scenario: a function that runs as root in a process of its own, and returns when all was as it
 * should be. */

#include <stdbool.h>
#include <stdint.h>

struct scenario {
        const char *name; /* a sentence */
        void (*run)(void);
};

/* Says beside "ok" how it went, where that may differ from kernel to kernel. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the scenario. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define expect(what) ((what) ? (void)0 : fail("%s:%d: not so: %s", __FILE__, __LINE__, #what))

#define expect_number(what, wanted) \
        scenario_expect_number(__FILE__, __LINE__, #what, (long long)(what), (long long)(wanted))

/* Waits for a fact of which the kernel sends no event; the scenario's deadline ends it. */
#define await(what)                                                \
        for (scenario_awaits(__FILE__, __LINE__, #what); !(what);) \
        scenario_pause()

void scenario_expect_number(const char *file,
                            int line,
                            const char *what,
                            long long value,
                            long long wanted);
void scenario_awaits(const char *file, int line, const char *what);
void scenario_pause(void);

uint64_t milliseconds(void); /* monotonic */

/* Runs scenarios one after another, those with `only` in their names unless it is NULL, and prints a
 * line for each: its name, "ok" or "FAILED", what it noted, and the milliseconds it took, with tabs
 * between. Returns how many failed. */
unsigned scenario_run_all(const struct scenario *scenarios, const char *only);
