/* SPDX-License-Identifier: MIT */
#pragma once

/* The address or prefix before a port. */

#include "policy/parser.h"

/* Splits an item like "10.0.0.0/8:80" at its last colon. Writes family, prefix length and address
 * of `item`, and the place ("10.0.0.0/8"; at NULL: there is none) and the ports ("80"). Returns 0,
 * or -EBADMSG with the error noted. */
int place_parse(struct parser *parser,
                const struct token *token,
                struct item *item,
                struct text *ret_place,
                struct text *ret_ports);
