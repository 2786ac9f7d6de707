/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include <err.h>
#include <stdlib.h>

void samples_add(struct samples *samples, uint64_t nanoseconds) {
        if (samples->n == samples->room) {
                samples->room = samples->room == 0 ? 1024 : samples->room * 2;
                samples->nanoseconds = reallocarray(
                        samples->nanoseconds, samples->room, sizeof(*samples->nanoseconds));
                if (samples->nanoseconds == NULL)
                        err(1, "samples");
        }
        samples->nanoseconds[samples->n++] =
                nanoseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)nanoseconds;
}

static int compare(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

double samples_percentile(struct samples *samples, double percent) {
        size_t at = (size_t)((double)samples->n * percent / 100);

        if (samples->n == 0)
                return 0;
        qsort(samples->nanoseconds, samples->n, sizeof(*samples->nanoseconds), compare);
        if (at >= samples->n)
                at = samples->n - 1;
        return samples->nanoseconds[at] / 1000.0;
}
