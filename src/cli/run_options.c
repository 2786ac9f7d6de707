/* SPDX-License-Identifier: MIT */
#include "cli/run_options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum { WAIT_MAX = 86400 }; /* seconds */

static const char help_text[] =
        "Usage: lowport run -l SPEC [-l SPEC]… [OPTION]… [--] COMMAND [ARGUMENT]…\n"
        "\n"
        "Starts COMMAND with a socket for each SPEC, as systemd's socket activation would: on the\n"
        "descriptors from 3 on, with LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES set. Lowport asks "
        "its\n"
        "daemon for ports that need a privilege, and binds the others itself. If one cannot be "
        "had,\n"
        "COMMAND is not started.\n"
        "\n"
        "SPEC is [PROTO:][ADDR:]PORT[,name=N][,backlog=N][,nolisten][,freebind]"
        "[,reuseport][,mptcp]\n"
        "  PROTO  tcp (unless said), tcp4, tcp6, udp, udp4, udp6, sctp, sctp4, sctp6\n"
        "  ADDR   as 127.0.0.1 or [::1]; none: every address, IPv6 and IPv4\n"
        "  PORT   a number, or the name of a service, as https\n"
        "\n"
        "Options:\n"
        "  -l, --listen SPEC       a socket to obtain; once for each\n"
        "      --stdin             put the one socket on descriptor 0 instead\n"
        "      --no-pid            leave LISTEN_PID out, for a program behind a wrapper that "
        "forks\n"
        "      --env VAR=TEMPLATE  set VAR from the descriptors: {fd} the first, {fd:NAME} by "
        "name,\n"
        "                          {fd;} each followed by ';', {fd,fd} all with ',' between\n"
        "      --wait SECONDS      try again so long while the daemon is not there or the port is\n"
        "                          in use\n"
        "      --no-direct         use the daemon or fail\n"
        "      --own               make the sockets here, and have the daemon bind them: they\n"
        "                          belong to this user, unit and network namespace, and SPEC may\n"
        "                          say reuseport (several processes share it) and mptcp\n"
        "      --own-socket PATH   the daemon's socket for that (else $LOWPORT_OWN_SOCKET, else\n"
        "                          " LOWPORT_OWN_SOCKET_PATH ")\n"
        "      --keep              have the service manager keep the sockets, and take them back "
        "from it\n"
        "                          at the next start (FileDescriptorStoreMax=, NotifyAccess=main)\n"
        "      --socket PATH       the daemon's socket (else $LOWPORT_SOCKET, else\n"
        "                          " LOWPORT_SOCKET_PATH ")\n"
        "  -v, --verbose           say how each socket was obtained\n"
        "  -h, --help              show this\n"
        "\n"
        "Exit status: COMMAND's own; else 2 usage, 121 denied, 122 in use, 123 daemon not "
        "reachable,\n"
        "125 other failure, 126 COMMAND cannot be run, 127 not found.\n"
        "\n"
        "For example:\n"
        "  lowport run -l https --env 'NGINX={fd;}' -- nginx -g 'daemon off;'\n";

static int misused(const char *what, const char *value) {
        cli_complain("run: %s '%s'; try: lowport run --help", what, value);
        return CLI_USAGE;
}

static int add_spec(struct run_options *options, const char *text) {
        char error[512];

        if (spec_parse(text, &options->specs[options->n_specs], error, sizeof(error)) < 0) {
                cli_complain("run: -l %s: %s", text, error);
                return CLI_USAGE;
        }
        options->n_specs++;
        return CLI_OK;
}

static int add_variable(struct run_options *options, const char *text) {
        const char *equals = strchr(text, '=');

        if (equals == NULL || equals == text)
                return misused("expected VAR=TEMPLATE after --env, found", text);
        options->variables[options->n_variables++] = text;
        return CLI_OK;
}

static int set_wait(struct run_options *options, const char *text) {
        static const char expected[] = "expected 0 to 86400 seconds after --wait, found";
        double seconds;
        char *end;

        if (!isdigit((unsigned char)text[0]))
                return misused(expected, text);
        seconds = strtod(text, &end);
        if (*end != '\0' || !(seconds <= WAIT_MAX))
                return misused(expected, text);
        options->sockets.wait = (unsigned)(seconds * 1000);
        return CLI_OK;
}

static int parse(int argc, char **argv, struct run_options *options) {
        enum { STDIN = 256, NO_PID, ENV, WAIT, NO_DIRECT, KEEP, OWN, OWN_SOCKET, SOCKET };
        static const struct option long_options[] = {
                { "listen", required_argument, NULL, 'l' },
                { "stdin", no_argument, NULL, STDIN },
                { "no-pid", no_argument, NULL, NO_PID },
                { "env", required_argument, NULL, ENV },
                { "wait", required_argument, NULL, WAIT },
                { "no-direct", no_argument, NULL, NO_DIRECT },
                { "keep", no_argument, NULL, KEEP },
                { "own", no_argument, NULL, OWN },
                { "own-socket", required_argument, NULL, OWN_SOCKET },
                { "socket", required_argument, NULL, SOCKET },
                { "verbose", no_argument, NULL, 'v' },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        int option, status = CLI_OK;

        /* '+': what stands after COMMAND is its own. ':': a missing argument is told apart. */
        while (status == CLI_OK &&
               (option = getopt_long(argc, argv, "+:l:vh", long_options, NULL)) != -1) {
                switch (option) {
                case 'l':
                        status = add_spec(options, optarg);
                        break;
                case STDIN:
                        options->on_stdin = true;
                        break;
                case NO_PID:
                        options->no_pid = true;
                        break;
                case ENV:
                        status = add_variable(options, optarg);
                        break;
                case WAIT:
                        status = set_wait(options, optarg);
                        break;
                case NO_DIRECT:
                        options->sockets.no_direct = true;
                        break;
                case KEEP:
                        options->keep = true;
                        break;
                case OWN:
                        options->sockets.own = true;
                        break;
                case OWN_SOCKET:
                        options->own_path = optarg;
                        break;
                case SOCKET:
                        options->path = optarg;
                        break;
                case 'v':
                        options->sockets.verbose = true;
                        break;
                case 'h':
                        return fputs(help_text, stdout) < 0 ? CLI_FAILED : RUN_HELP;
                case ':':
                        status = misused("no argument after", argv[optind - 1]);
                        break;
                default:
                        status = misused("unknown option", argv[optind - 1]);
                }
        }
        options->command = argv + optind;
        options->sockets.path = options->sockets.own ? options->own_path : options->path;
        return status;
}

int run_options_parse(int argc, char **argv, struct run_options *ret) {
        *ret = (struct run_options){ 0 };
        /* No more of either than there are arguments. */
        ret->specs = calloc((size_t)argc, sizeof(*ret->specs));
        ret->variables = calloc((size_t)argc, sizeof(*ret->variables));
        if (ret->specs == NULL || ret->variables == NULL) {
                cli_complain("%s", strerror(ENOMEM));
                return CLI_FAILED;
        }
        return parse(argc, argv, ret);
}

void run_options_done(struct run_options *options) {
        free(options->specs);
        free(options->variables);
        *options = (struct run_options){ 0 };
}

/* What is only for the other mode; NULL: nothing. */
static const char *find_other_mode(const struct run_options *options) {
        if (options->sockets.own)
                return options->path == NULL ? NULL
                                             : "--socket is not for --own; expected --own-socket";
        if (options->own_path != NULL)
                return "--own-socket is of no use without --own";
        for (size_t i = 0; i < options->n_specs; i++)
                if (spec_needs_own(&options->specs[i]))
                        return "reuseport and mptcp are for sockets of one's own; expected --own";
        return NULL;
}

int run_options_check(const struct run_options *options, const struct inherited *inherited) {
        const char *problem = find_other_mode(options);

        if (options->n_specs == 0)
                problem = "no socket to obtain; expected -l SPEC";
        else if (options->command[0] == NULL)
                problem = "no command to run";
        else if (options->on_stdin && options->n_specs + inherited->n != 1)
                problem = "--stdin takes exactly one socket";
        if (problem == NULL)
                return CLI_OK;
        cli_complain("run: %s; try: lowport run --help", problem);
        return CLI_USAGE;
}
