/* SPDX-License-Identifier: MIT */
#include "client/deadline.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

static uint64_t now(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct deadline deadline_in(unsigned milliseconds) {
        return (struct deadline){ .at = now() + milliseconds };
}

int deadline_left(const struct deadline *deadline) {
        uint64_t time = now();

        if (time >= deadline->at)
                return 0;
        return deadline->at - time > INT_MAX ? INT_MAX : (int)(deadline->at - time);
}

bool deadline_pause(const struct deadline *deadline, unsigned *pause, unsigned pause_max) {
        unsigned left = (unsigned)deadline_left(deadline);
        uint64_t until = now() + (*pause < left ? *pause : left);
        struct timespec t = {
                .tv_sec = (time_t)(until / 1000),
                .tv_nsec = (long)(until % 1000) * 1000000,
        };

        if (left == 0)
                return false;
        /* An absolute time: what a signal interrupts goes on to the same end. */
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
                continue;
        *pause = *pause * 2 < pause_max ? *pause * 2 : pause_max;
        return true;
}
