/* SPDX-License-Identifier: MIT */
#pragma once

/* The line that an administrator would add. */

#include <stddef.h>

#include "common/wire.h"

/* Writes the rule that grants `request` and no more than its kind, for example
 * "allow user deploy tcp 443" or "allow user deploy tcp 127.0.0.1:443". `who` is the subject as a
 * rule has it, for example "user deploy" or "user 1001 unit app.service". */
void suggest_rule(const char *who, const struct request *request, char *ret, size_t size);
