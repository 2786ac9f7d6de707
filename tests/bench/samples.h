/* SPDX-License-Identifier: MIT */
#pragma once

/* Times of one kind of operation, and what they come to. */

#include <stddef.h>
#include <stdint.h>

struct samples {
        uint32_t *nanoseconds;
        size_t n, room;
};

void samples_add(struct samples *samples, uint64_t nanoseconds);

/* The value that `percent` of the samples do not exceed, in microseconds. Sorts them. */
double samples_percentile(struct samples *samples, double percent);
