/* SPDX-License-Identifier: MIT */
#pragma once

/* A compiled policy: one flat, position-independent block, written once by compile.c into a memfd
 * that is then sealed, and only read from then on. The binder maps it and decides on it; it holds
 * no pointer, so that a check of its bounds, once, is all that reading it needs.
 *
 *     header | slots | spans | rules | gids | text
 *
 * A *rule* is one line of a policy file. Each port or range in it, with its protocols and address,
 * is a *span*. The spans of one *subject* (a uid, else the rule's first group, else anyone) are
 * neighbours, and a slot of the hash table says where they are; so what a decision costs does not
 * grow with the rules of other subjects. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULESET_MAGIC "lowport1"
#define RULESET_NONE  UINT32_MAX /* no rule, no text, no id */

enum {
        SUBJECT_FREE = 0, /* an empty slot */
        SUBJECT_USER = 1,
        SUBJECT_GROUP = 2,
        SUBJECT_ANYONE = 3, /* its id is 0 */
};

enum {
        PROTOCOL_TCP4 = 1 << 0,
        PROTOCOL_TCP6 = 1 << 1,
        PROTOCOL_UDP4 = 1 << 2,
        PROTOCOL_UDP6 = 1 << 3,
        PROTOCOL_SCTP4 = 1 << 4,
        PROTOCOL_SCTP6 = 1 << 5,
};

enum {
        RULE_ALLOW = 1 << 0, /* else it denies */
        RULE_NETNS_ANY = 1 << 1,
};

struct ruleset_header {
        char magic[8];
        uint64_t size;  /* of the whole block, in bytes */
        uint32_t slots; /* a power of two, at most half of them taken */
        uint32_t spans;
        uint32_t rules;
        uint32_t gids;
        uint32_t text;         /* bytes; the last one is NUL */
        uint32_t overflow_uid; /* what an unmapped uid shows as, RULESET_NONE if all are mapped */
        uint32_t overflow_gid;
        uint32_t port_max; /* the highest port that this policy may grant */
};

struct ruleset_slot {
        uint32_t kind; /* SUBJECT_… */
        uint32_t id;
        uint32_t first, count; /* its spans */
};

struct ruleset_span {
        uint32_t rule;
        uint16_t port_low, port_high;
        uint8_t protocols;     /* PROTOCOL_… */
        uint8_t family;        /* ADDRESS_V4, ADDRESS_V6; 0: any address */
        uint8_t prefix_length; /* bits of the address that count */
        uint8_t reserved;
        uint8_t address[16];
};

struct ruleset_rule {
        uint32_t flags;        /* RULE_… */
        uint32_t uid;          /* RULESET_NONE: any */
        uint32_t gids, n_gids; /* the peer must be in all of these */
        uint32_t unit;         /* offset of a glob in text; RULESET_NONE: any */
        uint32_t path;         /* offset of the file's name in text */
        uint32_t line;
};

/* A view of such a block; borrows the memory. */
struct ruleset {
        const struct ruleset_header *header;
        const struct ruleset_slot *slots;
        const struct ruleset_span *spans;
        const struct ruleset_rule *rules;
        const uint32_t *gids;
        const char *text;
};

/* Checks that the block at `memory` (aligned to 8) is whole and that nothing in it points outside
 * it. Returns 0, or -EBADMSG. */
int ruleset_open(const void *memory, size_t size, struct ruleset *ret);

/* Where the search for a subject starts in a table of `slots`; collisions go to the next slot. */
uint32_t ruleset_hash(uint32_t kind, uint32_t id, uint32_t slots);

/* The slot of a subject, or NULL. */
const struct ruleset_slot *ruleset_find(const struct ruleset *rules, uint32_t kind, uint32_t id);
