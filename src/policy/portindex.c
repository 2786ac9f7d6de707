/* SPDX-License-Identifier: MIT */
#include "policy/portindex.h"

#include <errno.h>
#include <stdlib.h>

int port_index_init(struct port_index *index, size_t max) {
        *index = (struct port_index){ .budget = PORT_INDEX_BUDGET };
        index->entries = calloc(max + 1, sizeof(*index->entries));
        return index->entries == NULL ? -ENOMEM : 0;
}

void port_index_add(struct port_index *index, const struct port_entry *entry) {
        index->entries[index->count++] = *entry;
}

/* A walk goes backwards, so of several at one port the first rule of the policy stands last. */
static int compare(const void *left, const void *right) {
        const struct port_entry *a = left, *b = right;

        if (a->bucket != b->bucket)
                return a->bucket < b->bucket ? -1 : 1;
        if (a->low != b->low)
                return a->low < b->low ? -1 : 1;
        return a->rule > b->rule ? -1 : a->rule < b->rule;
}

void port_index_sort(struct port_index *index) {
        qsort(index->entries, index->count, sizeof(*index->entries), compare);
        for (size_t i = 0; i < index->count; i++) {
                struct port_entry *entry = &index->entries[i];

                entry->reach = entry->high;
                if (i > 0 && entry[-1].bucket == entry->bucket && entry[-1].reach > entry->reach)
                        entry->reach = entry[-1].reach;
        }
}

/* The first entry that is in a later bucket, or in this one and starts above `low`. */
static size_t find(const struct port_index *index, uint32_t bucket, uint32_t low) {
        size_t from = 0, to = index->count;

        while (from < to) {
                size_t middle = from + (to - from) / 2;
                const struct port_entry *entry = &index->entries[middle];

                if (entry->bucket < bucket || (entry->bucket == bucket && entry->low <= low))
                        from = middle + 1;
                else
                        to = middle;
        }
        return from;
}

struct port_walk
port_index_walk(struct port_index *index, uint32_t bucket, uint16_t low, uint16_t high) {
        return (struct port_walk){
                .index = index,
                .first = bucket == 0 ? 0 : find(index, bucket - 1, UINT32_MAX),
                .at = find(index, bucket, low),
                .high = high,
        };
}

const struct port_entry *port_index_next(struct port_walk *walk) {
        while (walk->at > walk->first && walk->index->budget > 0) {
                const struct port_entry *entry = &walk->index->entries[--walk->at];

                walk->index->budget--;
                if (entry->reach < walk->high)
                        break; /* and so do all before it */
                if (entry->high >= walk->high)
                        return entry;
        }
        walk->at = walk->first;
        return NULL;
}

void port_index_done(struct port_index *index) {
        free(index->entries);
        *index = (struct port_index){ 0 };
}
