/* SPDX-License-Identifier: MIT */
#include "policy/rival.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/extent.h"
#include "policy/portindex.h"
#include "policy/protocols.h"

struct rival {
        const struct policy *policy;
        struct port_index index; /* one bucket: the UDP items of users' allow rules */
};

static bool takes_part(const struct rule *rule) {
        return rule->allow && rule->user.at != NULL && rule->user_known;
}

static const struct rule *
find_for(struct rival *rival, const struct rule *rule, const struct item *item) {
        const struct policy *policy = rival->policy;
        /* All that start at or below the item's end and end at or above its start. */
        struct port_walk walk = port_index_walk(&rival->index, 0, item->high, item->low);
        const struct port_entry *entry;

        while ((entry = port_index_next(&walk)) != NULL) {
                const struct rule *other = &policy->rules[entry->rule];

                if (other < rule && other->uid != rule->uid &&
                    item_overlaps(&policy->items[entry->item], item, PROTOCOLS_UDP))
                        return other;
        }
        return NULL;
}

const struct rule *
rival_find(struct rival *rival, const struct rule *rule, const struct item **ret_item) {
        for (uint32_t i = 0; takes_part(rule) && i < rule->n_items; i++) {
                const struct item *item = &rival->policy->items[rule->first_item + i];
                const struct rule *other = NULL;

                if ((item->protocols & PROTOCOLS_UDP) != 0)
                        other = find_for(rival, rule, item);
                if (other != NULL) {
                        *ret_item = item;
                        return other;
                }
        }
        return NULL;
}

int rival_new(const struct policy *policy, struct rival **ret) {
        struct rival *rival = calloc(1, sizeof(*rival));

        if (rival == NULL || port_index_init(&rival->index, policy->n_items) < 0) {
                rival_free(rival);
                return -ENOMEM;
        }
        rival->policy = policy;
        for (uint32_t i = 0; i < policy->n_rules; i++) {
                const struct rule *rule = &policy->rules[i];

                for (uint32_t j = 0; takes_part(rule) && j < rule->n_items; j++) {
                        const struct item *item = &policy->items[rule->first_item + j];
                        struct port_entry entry = {
                                .rule = i,
                                .item = rule->first_item + j,
                                .low = item->low,
                                .high = item->high,
                        };

                        if ((item->protocols & PROTOCOLS_UDP) != 0)
                                port_index_add(&rival->index, &entry);
                }
        }
        port_index_sort(&rival->index);
        *ret = rival;
        return 0;
}

bool rival_gave_up(const struct rival *rival) {
        return rival->index.budget == 0;
}

struct rival *rival_free(struct rival *rival) {
        if (rival != NULL)
                port_index_done(&rival->index);
        free(rival);
        return NULL;
}
