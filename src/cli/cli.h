/* SPDX-License-Identifier: MIT */
#pragma once

/* The command-line tool: one file per subcommand, and what they share. */

#include <stdbool.h>

/* Exit statuses; a program that `lowport run` or `lowport wrap` started has its own. lowport(1) lists
 * them. */
enum {
        CLI_OK = 0,
        CLI_PROBLEM = 1, /* check: the policy has an error */
        CLI_USAGE = 2,
        CLI_DENIED = 121,
        CLI_IN_USE = 122,
        CLI_UNREACHABLE = 123,
        CLI_FAILED = 125,
        CLI_CANNOT_RUN = 126,
        CLI_NOT_FOUND = 127,
};

/* Each gets its own arguments (argv[0] is the subcommand's name) and returns an exit status. */
int cli_run(int argc, char **argv);
int cli_wrap(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_status(int argc, char **argv);

/* "lowport: …" on standard error, with a newline. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
