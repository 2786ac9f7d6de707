/* SPDX-License-Identifier: MIT */
#pragma once

/* The attacker of silent.h: what it does with its file. */

#include <stdint.h>

struct attack {
        const char *path; /* of the daemon's socket */
        const char *how;
        uint16_t port;
        unsigned many;
        int line; /* to the scenario */
};

/* Lives until it is killed. From `pages` comes a byte whenever the kernel waits for a page. */
_Noreturn void attacker_live(const struct attack *attack, const char *file, int pages);
