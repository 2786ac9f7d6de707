/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/environment.h"
#include "cli/execute.h"
#include "cli/keep.h"
#include "cli/run_options.h"
#include "cli/sockets.h"

/* Says which descriptor each socket will have: what was passed to us stays first. */
static void number_sockets(const struct run_options *options,
                           const struct inherited *inherited,
                           struct handed *ret) {
        for (size_t i = 0; i < inherited->n; i++)
                ret[i] = (struct handed){ ENVIRONMENT_FIRST_FD + (int)i, inherited->names[i] };
        for (size_t i = inherited->n; i < inherited->n + options->n_specs; i++)
                ret[i] = (struct handed){
                        options->on_stdin ? STDIN_FILENO : ENVIRONMENT_FIRST_FD + (int)i,
                        options->specs[i - inherited->n].name,
                };
}

/* Sets what --env asks for; before any socket is obtained, for a template may be wrong. */
static int set_variables(const struct run_options *options, const struct handed *handed, size_t n) {
        for (size_t i = 0; i < options->n_variables; i++) {
                const char *text = options->variables[i];
                const char *equals = strchr(text, '=');
                char *name = strndup(text, (size_t)(equals - text));
                char *value = NULL;
                char error[512] = "";
                int r = template_expand(equals + 1, handed, n, &value, error, sizeof(error));

                if (r == 0)
                        r = name == NULL || setenv(name, value, 1) < 0 ? -ENOMEM : 0;
                free(name);
                free(value);
                if (r == -EINVAL) {
                        cli_complain("run: --env %s: %s", text, error);
                        return CLI_USAGE;
                }
                if (r < 0) {
                        cli_complain("run: --env %s: %s", text, strerror(-r));
                        return CLI_FAILED;
                }
        }
        return CLI_OK;
}

/* From the options to the program. `handed` and `fds` have room for all sockets. */
static int run(const struct run_options *options,
               const struct inherited *inherited,
               struct handed *handed,
               int *fds,
               bool *fresh) {
        size_t n = inherited->n + options->n_specs;
        int status, r;

        number_sockets(options, inherited, handed);
        r = environment_announce(handed, options->on_stdin ? 0 : n, options->no_pid ? 0 : getpid());
        if (r < 0) {
                cli_complain("cannot set the environment: %s", strerror(-r));
                return CLI_FAILED;
        }
        status = set_variables(options, handed, n);
        if (status != CLI_OK)
                return status;
        for (size_t i = 0; i < options->n_specs; i++) {
                fresh[i] = fds[i] < 0;
                if (!fresh[i] && options->sockets.verbose)
                        cli_complain("%s: kept since the last start", options->specs[i].text);
        }
        status = sockets_obtain(options->specs, options->n_specs, &options->sockets, fds);
        if (status != CLI_OK)
                return status;
        if (options->keep)
                keep_store(options->specs, options->n_specs, fds, fresh);
        r = environment_place(fds, handed + inherited->n, options->n_specs);
        if (r < 0) {
                cli_complain("cannot put the sockets in their places: %s", strerror(-r));
                return CLI_FAILED;
        }
        return execute(options->command);
}

/* Room for so many descriptors, of which there is none yet; NULL: no memory. */
static int *make_places(size_t n) {
        int *fds = calloc(n + 1, sizeof(*fds));

        if (fds == NULL)
                return NULL;
        for (size_t i = 0; i < n; i++)
                fds[i] = -1;
        return fds;
}

/* Makes room for all sockets, and takes those that were kept. */
static int prepare(const struct run_options *options, struct inherited *inherited) {
        size_t n = options->n_specs;
        struct handed *handed = calloc(inherited->n + n + 1, sizeof(*handed));
        int *fds = make_places(n);
        bool *fresh = calloc(n + 1, sizeof(*fresh));
        int status = CLI_FAILED, r = -ENOMEM;

        if (handed != NULL && fds != NULL && fresh != NULL)
                r = keep_take(options->specs, options->keep ? n : 0, inherited, fds);
        if (r < 0)
                cli_complain("cannot take the sockets that were kept: %s", strerror(-r));
        else
                status = run_options_check(options, inherited);
        if (status == CLI_OK)
                status = run(options, inherited, handed, fds, fresh);
        free(handed);
        free(fds);
        free(fresh);
        return status;
}

int cli_run(int argc, char **argv) {
        struct inherited inherited = { 0 };
        struct run_options options;
        int status = run_options_parse(argc, argv, &options);
        int r = status == CLI_OK ? environment_inherited(&inherited) : 0;

        if (r < 0) {
                cli_complain("cannot take over the sockets of LISTEN_FDS: %s", strerror(-r));
                status = CLI_FAILED;
        }
        if (status == CLI_OK)
                status = prepare(&options, &inherited);
        run_options_done(&options);
        inherited_done(&inherited);
        return status == RUN_HELP ? CLI_OK : status;
}
