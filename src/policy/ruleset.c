/* SPDX-License-Identifier: MIT */
#include "policy/ruleset.h"

#include <errno.h>
#include <string.h>

#include "common/address.h"

uint32_t ruleset_hash(uint32_t kind, uint32_t id, uint32_t slots) {
        uint64_t h = ((uint64_t)kind << 32 | id) * UINT64_C(0x9e3779b97f4a7c15);

        return (uint32_t)(h >> 32) & (slots - 1);
}

const struct ruleset_slot *ruleset_find(const struct ruleset *rules, uint32_t kind, uint32_t id) {
        uint32_t mask = rules->header->slots - 1;
        uint32_t at = ruleset_hash(kind, id, rules->header->slots);

        /* There is a free slot (ruleset_open() has seen to it), so this ends. */
        for (;; at = (at + 1) & mask) {
                const struct ruleset_slot *slot = &rules->slots[at];

                if (slot->kind == SUBJECT_FREE)
                        return NULL;
                if (slot->kind == kind && slot->id == id)
                        return slot;
        }
}

static bool slots_valid(const struct ruleset *r) {
        uint32_t taken = 0;

        for (uint32_t i = 0; i < r->header->slots; i++) {
                const struct ruleset_slot *slot = &r->slots[i];

                if (slot->kind == SUBJECT_FREE)
                        continue;
                taken++;
                if (slot->kind > SUBJECT_ANYONE || slot->first > r->header->spans ||
                    slot->count > r->header->spans - slot->first)
                        return false;
        }
        return taken <= r->header->slots / 2;
}

static bool spans_valid(const struct ruleset *r) {
        for (uint32_t i = 0; i < r->header->spans; i++) {
                const struct ruleset_span *span = &r->spans[i];

                if (span->rule >= r->header->rules)
                        return false;
                if (span->family != 0 && span->family != ADDRESS_V4 && span->family != ADDRESS_V6)
                        return false;
                if (span->prefix_length > (span->family == ADDRESS_V4 ? 32 : 128))
                        return false;
        }
        return true;
}

static bool rules_valid(const struct ruleset *r) {
        for (uint32_t i = 0; i < r->header->rules; i++) {
                const struct ruleset_rule *rule = &r->rules[i];

                if (rule->gids > r->header->gids || rule->n_gids > r->header->gids - rule->gids)
                        return false;
                if (rule->path >= r->header->text)
                        return false;
                if (rule->unit != RULESET_NONE && rule->unit >= r->header->text)
                        return false;
        }
        return true;
}

int ruleset_open(const void *memory, size_t size, struct ruleset *ret) {
        const struct ruleset_header *h = memory;
        struct ruleset r = { .header = h };

        if (size < sizeof(*h) || memcmp(h->magic, RULESET_MAGIC, sizeof(h->magic)) != 0)
                return -EBADMSG;
        if (h->slots < 2 || (h->slots & (h->slots - 1)) != 0 || h->text == 0)
                return -EBADMSG;

        /* Counts are 32 bits and elements small: no sum of these can pass 64 bits. */
        uint64_t spans_at = sizeof(*h) + (uint64_t)h->slots * sizeof(*r.slots);
        uint64_t rules_at = spans_at + (uint64_t)h->spans * sizeof(*r.spans);
        uint64_t gids_at = rules_at + (uint64_t)h->rules * sizeof(*r.rules);
        uint64_t text_at = gids_at + (uint64_t)h->gids * sizeof(*r.gids);

        if (text_at + h->text != h->size || h->size != size)
                return -EBADMSG;

        const char *base = memory;

        r.slots = (const void *)(base + sizeof(*h));
        r.spans = (const void *)(base + spans_at);
        r.rules = (const void *)(base + rules_at);
        r.gids = (const void *)(base + gids_at);
        r.text = base + text_at;
        if (r.text[h->text - 1] != '\0')
                return -EBADMSG;
        if (!slots_valid(&r) || !spans_valid(&r) || !rules_valid(&r))
                return -EBADMSG;
        *ret = r;
        return 0;
}
