/* SPDX-License-Identifier: MIT */
#include "cli/wrap_options.h"

#include <lowport/lowport.h>

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const char help_text[] =
        "Usage: lowport wrap [OPTION]… [--] COMMAND [ARGUMENT]…\n"
        "\n"
        "Starts COMMAND, which knows nothing of Lowport. Where COMMAND, or a program that it "
        "starts,\n"
        "binds a low port and lacks the privilege, the daemon binds its socket for it, if the "
        "policy\n"
        "grants that. Everything else stays as it is.\n"
        "\n"
        "Options:\n"
        "      --via=HOW          seccomp: any program, under no_new_privs; preload: programs "
        "that\n"
        "                         use the C library; auto, unless said: seccomp where it works\n"
        "      --own-socket PATH  the daemon's socket (else $LOWPORT_OWN_SOCKET, else\n"
        "                         " LOWPORT_OWN_SOCKET_PATH ")\n"
        "  -v, --verbose          say how it is done and why, and what was bound\n"
        "      --quiet            say nothing when a bind is denied\n"
        "  -h, --help             show this\n"
        "\n"
        "Exit status: COMMAND's own; else 2 usage, 125 failure, 126 COMMAND cannot be run, 127 "
        "not\n"
        "found.\n"
        "\n"
        "For example:\n"
        "  lowport wrap -- nginx -g 'daemon off;'\n";

static int misused(const char *what, const char *value) {
        cli_complain("wrap: %s '%s'; try: lowport wrap --help", what, value);
        return CLI_USAGE;
}

static int set_via(struct wrap_options *options, const char *text) {
        static const char *const names[] = {
                [WRAP_AUTO] = "auto",
                [WRAP_SECCOMP] = "seccomp",
                [WRAP_PRELOAD] = "preload",
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(names[i], text) == 0) {
                        options->via = (enum wrap_via)i;
                        return CLI_OK;
                }
        return misused("expected auto, seccomp or preload after --via, found", text);
}

/* What cannot be said of one option alone. */
static int check(const struct wrap_options *options) {
        const char *problem = NULL;

        if (options->command[0] == NULL)
                problem = "no command to run";
        else if (options->verbose && options->quiet)
                problem = "--verbose and --quiet exclude each other";
        if (problem == NULL)
                return CLI_OK;
        cli_complain("wrap: %s; try: lowport wrap --help", problem);
        return CLI_USAGE;
}

int wrap_options_parse(int argc, char **argv, struct wrap_options *ret) {
        enum { VIA = 256, OWN_SOCKET, QUIET };
        static const struct option long_options[] = {
                { "via", required_argument, NULL, VIA },
                { "own-socket", required_argument, NULL, OWN_SOCKET },
                { "verbose", no_argument, NULL, 'v' },
                { "quiet", no_argument, NULL, QUIET },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        int option, status = CLI_OK;

        *ret = (struct wrap_options){ 0 };
        /* '+': what stands after COMMAND is its own. ':': a missing argument is told apart. */
        while (status == CLI_OK &&
               (option = getopt_long(argc, argv, "+:vh", long_options, NULL)) != -1) {
                switch (option) {
                case VIA:
                        status = set_via(ret, optarg);
                        break;
                case OWN_SOCKET:
                        ret->own_socket = optarg;
                        break;
                case 'v':
                        ret->verbose = true;
                        break;
                case QUIET:
                        ret->quiet = true;
                        break;
                case 'h':
                        return fputs(help_text, stdout) < 0 ? CLI_FAILED : WRAP_HELP;
                case ':':
                        status = misused("no argument after", argv[optind - 1]);
                        break;
                default:
                        status = misused("unknown option", argv[optind - 1]);
                }
        }
        ret->command = argv + optind;
        return status == CLI_OK ? check(ret) : status;
}
