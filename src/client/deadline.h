/* SPDX-License-Identifier: MIT */
#pragma once

/* Points in time on the monotonic clock, in milliseconds. */

#include <stdbool.h>
#include <stdint.h>

struct deadline {
        uint64_t at;
};

struct deadline deadline_in(unsigned milliseconds);

/* Milliseconds until then, 0 when it has passed; as poll(2) takes them. */
int deadline_left(const struct deadline *deadline);

/* Sleeps `*pause` milliseconds, or until the deadline if that is sooner, and doubles `*pause` up to
 * `pause_max`. Signals do not shorten it. Returns false, without sleeping, if the deadline has
 * passed. */
bool deadline_pause(const struct deadline *deadline, unsigned *pause, unsigned pause_max);
