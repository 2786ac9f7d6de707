/* SPDX-License-Identifier: MIT */
#pragma once

/* What a rule grants: protocols, and the ports and addresses that follow them. */

#include "policy/parser.h"

/* Parses `tcp,udp 53 [::1]:53 …` up to the next protocol, `netns` or the end of the line. Returns 0
 * or a negative errno with the error noted. */
int item_parse_list(struct parser *parser);
