/* SPDX-License-Identifier: MIT */
#pragma once

/* The ports of an item: a number, a range, or the name of a service. */

#include "policy/protocols.h"

#define PORT_EXPECTED "expected a port, LOW-HIGH, a service name, or ADDRESS:PORT"

/* Parses `text`, which stands at `column`, and adds `item` with these ports to the rule (several
 * times where a service has another port in another protocol). Returns 0, or a negative errno with
 * the error noted. */
int port_parse(struct parser *parser,
               const struct protocols *protocols,
               const struct item *item,
               struct text text,
               uint32_t column);
