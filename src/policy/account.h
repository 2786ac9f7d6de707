/* SPDX-License-Identifier: MIT */
#pragma once

/* A user with all groups, as a peer of the daemon would have them. */

#include <stddef.h>
#include <stdint.h>

struct account {
        char *name; /* NULL: the uid has none */
        uint32_t uid;
        uint32_t *gids;
        size_t n_gids;
};

/* Looks up a name or a uid in digits; a uid without a name has no groups. Returns 0,
 * NAMES_E_UNKNOWN, or a negative errno. */
int account_find(const char *name, struct account *ret);

/* This process itself. Returns 0 or a negative errno. */
int account_of_caller(struct account *ret);

void account_done(struct account *account);
