/* SPDX-License-Identifier: MIT */
#pragma once

/* The protocols before a list of ports: "tcp,udp6". */

#include "policy/parser.h"
#include "policy/ruleset.h"

enum {
        PROTOCOLS_TCP = PROTOCOL_TCP4 | PROTOCOL_TCP6,
        PROTOCOLS_UDP = PROTOCOL_UDP4 | PROTOCOL_UDP6,
        PROTOCOLS_SCTP = PROTOCOL_SCTP4 | PROTOCOL_SCTP6,
        PROTOCOLS_V4 = PROTOCOL_TCP4 | PROTOCOL_UDP4 | PROTOCOL_SCTP4,
        PROTOCOLS_V6 = PROTOCOL_TCP6 | PROTOCOL_UDP6 | PROTOCOL_SCTP6,
};

struct protocols {
        uint8_t bits;
        uint8_t named;            /* other than by "any": a service must exist for these */
        struct text only4, only6; /* a word that leaves only IPv4, or IPv6; at NULL: none */
};

/* True for "tcp", "udp4", "any" and the like. */
bool protocols_is_word(struct text word);

/* Parses the list. Returns 0, or -EBADMSG with the error noted. */
int protocols_parse(struct parser *parser, struct protocols *ret);
