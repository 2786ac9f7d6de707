/* SPDX-License-Identifier: MIT */
#pragma once

/* Items in buckets, to be found by port. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many entries may be looked at in all: what is written to be compared for ever is not. */
enum { PORT_INDEX_BUDGET = 20 * 1000 * 1000 };

struct port_entry {
        uint32_t bucket, rule, item;
        uint16_t low, high;
        uint16_t reach; /* the highest `high` of the bucket up to here */
};

struct port_index {
        struct port_entry *entries;
        size_t count;
        uint32_t budget;
};

/* A walk over the entries of a bucket that start at or below one port and end at or above another. */
struct port_walk {
        struct port_index *index;
        size_t first, at; /* entries before `at` are still to come */
        uint16_t high;
};

/* Room for `max` entries. Returns 0 or -ENOMEM. */
int port_index_init(struct port_index *index, size_t max);

void port_index_add(struct port_index *index, const struct port_entry *entry);

/* Call it after the last port_index_add(). */
void port_index_sort(struct port_index *index);

struct port_walk
port_index_walk(struct port_index *index, uint32_t bucket, uint16_t low, uint16_t high);

/* The next entry; NULL at the end, or when the budget is used up. */
const struct port_entry *port_index_next(struct port_walk *walk);

void port_index_done(struct port_index *index);
