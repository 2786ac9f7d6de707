/* SPDX-License-Identifier: MIT */
#pragma once

/* The arguments of `lowport wrap`. */

#include <stdbool.h>

enum wrap_via { WRAP_AUTO, WRAP_SECCOMP, WRAP_PRELOAD };

struct wrap_options {
        enum wrap_via via;
        bool verbose;
        bool quiet;
        const char *own_socket; /* NULL: as lowport_bind() chooses it */
        char **command;
};

enum { WRAP_HELP = -1 };

/* Returns CLI_OK; WRAP_HELP, when that was asked for and printed; or another exit status, with the
 * reason told. */
int wrap_options_parse(int argc, char **argv, struct wrap_options *ret);
