/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct command {
        const char *name;
        int (*function)(int argc, char **argv);
        const char *summary;
} commands[] = {
        { "run", cli_run, "start a program with sockets on low ports" },
        { "wrap", cli_wrap, "start a program that may bind low ports itself" },
        { "check", cli_check, "find errors and doubtful rules in a policy" },
        { "explain", cli_explain, "say whether a request would be granted, and why" },
        { "status", cli_status, "show the daemon's state and counters" },
};

enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

void cli_complain(const char *format, ...) {
        va_list arguments;

        /* Results that were printed before stay before. */
        (void)fflush(stdout);
        (void)fputs("lowport: ", stderr);
        va_start(arguments, format);
        (void)vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void)fputc('\n', stderr);
}

static const struct command *find_command(const char *name) {
        for (size_t i = 0; i < N_COMMANDS; i++)
                if (strcmp(commands[i].name, name) == 0)
                        return &commands[i];
        return NULL;
}

static void print_help(FILE *file) {
        (void)fputs("Usage: lowport COMMAND [ARGUMENT]…\n"
                    "\n"
                    "Lets a program without privileges listen on low ports, by the policy of the "
                    "administrator.\n"
                    "\n"
                    "Commands:\n",
                    file);
        for (size_t i = 0; i < N_COMMANDS; i++)
                (void)fprintf(file, "  %-8s  %s\n", commands[i].name, commands[i].summary);
        (void)fputs("  help      show what a command takes: lowport help COMMAND\n"
                    "\n"
                    "Options:\n"
                    "  -h, --help     show this\n"
                    "  -V, --version  show the release\n"
                    "\n"
                    "For example:\n"
                    "  lowport run -l tcp:80 -l tcp:443 -- myserver\n"
                    "  lowport wrap -- myserver\n",
                    file);
}

static int help(int argc, char **argv) {
        static char option[] = "--help";

        if (argc < 2) {
                print_help(stdout);
                return CLI_OK;
        }

        const struct command *command = find_command(argv[1]);
        char *arguments[] = { argv[1], option, NULL };

        if (command == NULL) {
                cli_complain("'%s' is not a command; try: lowport --help", argv[1]);
                return CLI_USAGE;
        }
        return command->function(2, arguments);
}

int main(int argc, char **argv) {
        if (argc < 2) {
                print_help(stderr);
                return CLI_USAGE;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
            strcmp(argv[1], "help") == 0)
                return help(argc - 1, argv + 1);
        if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
                (void)puts("lowport " LOWPORT_VERSION);
                return CLI_OK;
        }

        const struct command *command = find_command(argv[1]);

        if (command == NULL) {
                cli_complain("'%s' is not a command; try: lowport --help", argv[1]);
                return CLI_USAGE;
        }
        return command->function(argc - 1, argv + 1);
}
