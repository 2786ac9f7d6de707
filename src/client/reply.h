/* SPDX-License-Identifier: MIT */
#pragma once

/* What the daemon answers is checked like anything that comes from outside. */

#include <stdbool.h>
#include <stddef.h>

#include "common/wire.h"

/* True if the `size` bytes of `reply`, which came with a descriptor or without, are an answer to
 * `operation` that makes sense in itself. */
bool reply_valid(const struct wire_reply *reply,
                 size_t size,
                 bool has_descriptor,
                 uint16_t operation);
