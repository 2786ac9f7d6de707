/* SPDX-License-Identifier: MIT */
#pragma once

/* The arguments of `lowport run`. */

#include "cli/environment.h"
#include "cli/sockets.h"

struct run_options {
        struct sockets_options sockets;
        const char *path, *own_path; /* --socket, --own-socket */
        struct spec *specs;
        size_t n_specs;
        const char **variables; /* "VAR=TEMPLATE" */
        size_t n_variables;
        bool on_stdin;
        bool no_pid;
        bool keep;
        char **command;
};

enum { RUN_HELP = -1 };

/* Reads the arguments into `ret`, which is to be freed in any case. Returns CLI_OK; RUN_HELP, when
 * that was asked for and printed; or another exit status, with the reason told. */
int run_options_parse(int argc, char **argv, struct run_options *ret);
void run_options_done(struct run_options *options);

/* What cannot be said of one option alone. Returns CLI_OK or CLI_USAGE. */
int run_options_check(const struct run_options *options, const struct inherited *inherited);
