/* SPDX-License-Identifier: MIT */
#pragma once

/* The names of what confines the binder (LOWPORT_PROTECTION_…), for people. */

#include <stdint.h>

struct protection {
        uint32_t bit;
        const char *name;
        const char *needs; /* where it is not there: what it takes */
};

/* All of them, ended by one with the bit 0. */
extern const struct protection protections[];
