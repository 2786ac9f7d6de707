/* SPDX-License-Identifier: MIT */
#pragma once

/* What precedes the block in an input of fuzz-ruleset. */

#include "common/wire.h"

struct fuzz_question {
        struct wire_request request;
        uint32_t uid, gids[3];
        uint8_t n_gids, has_unit, same_netns, reserved;
        char unit[28];
};

_Static_assert(sizeof(struct fuzz_question) == 96, "inputs that were kept depend on it");
