/* SPDX-License-Identifier: MIT */
#pragma once

/* The command line of lowportd. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/orders.h"

enum { POLICIES_MAX = 64 };

struct options {
        const char *policies[POLICIES_MAX]; /* --policy, in their order */
        size_t n_policies;
        const char *socket, *own_socket; /* NULL: see listeners_open() */
        const char *binder;              /* NULL: where it is installed, or beside lowportd */
        const char *user;                /* NULL: lowport, when started as root */
        bool check, watch;
        uint32_t record_queue;        /* records that may wait for the auditor */
        uint32_t log_burst, log_rate; /* of a user that are written: at once, and each second */
        struct orders limits;
};

/* Parses the command line. Returns -1 to go on, else the status to exit with: 0 after --help and
 * --version, 2 for what it does not understand. */
int options_parse(int argc, char **argv, struct options *ret);
