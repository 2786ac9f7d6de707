/* SPDX-License-Identifier: MIT */
#pragma once

/* Whom a rule is about: `user`, `group`, `unit` and `anyone`. */

#include "policy/parser.h"

/* Parses all conditions into the parser's rule. Returns 0, or a negative errno with the error
 * noted. */
int who_parse(struct parser *parser);
