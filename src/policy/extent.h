/* SPDX-License-Identifier: MIT */
#pragma once

/* How two items lie to each other. */

#include "policy/rule.h"

/* Everything that `inner` names, `outer` names too. */
bool item_covers(const struct item *outer, const struct item *inner);

/* A denial of `outer` leaves nothing of `inner` to be granted: as item_covers(), but to deny one
 * address is to deny the wildcard, which would take it. */
bool item_forbids(const struct item *outer, const struct item *inner);

/* Something could be named, or taken, by both. */
bool item_overlaps(const struct item *a, const struct item *b, uint8_t protocols);
