/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/execute.h"
#include "cli/wrap_options.h"
#include "cli/wrap_preload.h"
#include "cli/wrap_program.h"
#include "cli/wrap_seccomp.h"
#include "client/handle.h"

enum { WHY = 256 };

static void warn(const struct wrap_options *options, const char *command, const char *what) {
        if (!options->quiet)
                cli_complain("wrap: %s: %s", command, what);
}

/* Says what it will not do for this program. */
static void warn_of_seccomp(const struct wrap_options *options,
                            const struct wrap_program *program) {
        if (program->gains)
                warn(options,
                     program->path,
                     "its set-user-ID or set-group-ID bit or file capabilities have no effect "
                     "under --via=seccomp (no_new_privs); --via=preload leaves them alone");
        if (program->is_foreign)
                warn(options,
                     program->path,
                     "is for another machine, or 32-bit: --via=seccomp does not see what it binds");
}

static void warn_of_preload(const struct wrap_options *options,
                            const struct wrap_program *program) {
        if (program->gains)
                warn(options,
                     program->path,
                     "has a set-user-ID or set-group-ID bit or file capabilities: the loader "
                     "ignores LD_PRELOAD for it, so --via=preload does not help it");
        if (program->is_static)
                warn(options,
                     program->path,
                     "is statically linked: --via=preload does not help it");
        if (program->is_foreign)
                warn(options,
                     program->path,
                     "is for another machine, or 32-bit: --via=preload does not help it");
}

static int
preload(const struct wrap_options *options, const struct wrap_program *program, const char *path) {
        int status = wrap_preload(options, options->own_socket != NULL ? path : NULL);

        if (status == CLI_OK)
                warn_of_preload(options, program);
        return status;
}

/* Chooses the way and goes it, as far as this process itself is concerned. */
static int
prepare(const struct wrap_options *options, const struct wrap_program *program, const char *path) {
        char why[WHY] = "";
        int status;

        if (options->via == WRAP_PRELOAD) {
                if (options->verbose)
                        cli_complain("wrap: via preload, as asked for");
                return preload(options, program, path);
        }
        status = wrap_seccomp(options, path, why, sizeof(why));
        if (status == CLI_OK) {
                if (options->verbose)
                        cli_complain("wrap: via seccomp, %s",
                                     options->via == WRAP_AUTO ? "which works here"
                                                               : "as asked for");
                warn_of_seccomp(options, program);
                return CLI_OK;
        }
        if (status != WRAP_SECCOMP_UNUSABLE)
                return status;
        if (options->via == WRAP_SECCOMP) {
                cli_complain("wrap: --via=seccomp cannot be used: %s", why);
                return CLI_FAILED;
        }
        if (options->verbose)
                cli_complain("wrap: via preload, because --via=seccomp cannot be used: %s", why);
        return preload(options, program, path);
}

/* The daemon's socket, so that it is found from any working directory. */
static char *find_socket(const struct wrap_options *options) {
        struct lowport lp;
        char *path = NULL, *here = NULL;

        if (handle_init_own(&lp, options->own_socket) < 0)
                return NULL;
        if (lp.path[0] == '/')
                return strdup(lp.path);
        here = getcwd(NULL, 0);
        if (here != NULL && asprintf(&path, "%s/%s", here, lp.path) < 0)
                path = NULL;
        free(here);
        if (path != NULL && strlen(path) >= sizeof(lp.path)) {
                free(path);
                path = NULL;
        }
        return path;
}

static int wrap(const struct wrap_options *options) {
        struct wrap_program program;
        char *path = find_socket(options);
        int status = CLI_OK;

        if (path == NULL) {
                cli_complain("wrap: the path of the daemon's socket is too long");
                return CLI_FAILED;
        }
        wrap_program_look(options->command[0], &program);
        /* What is not there is told by execute(). */
        if (program.path != NULL)
                status = prepare(options, &program, path);
        wrap_program_done(&program);
        free(path);
        return status == CLI_OK ? execute(options->command) : status;
}

int cli_wrap(int argc, char **argv) {
        struct wrap_options options;
        int status = wrap_options_parse(argc, argv, &options);

        if (status == CLI_OK)
                status = wrap(&options);
        return status == WRAP_HELP ? CLI_OK : status;
}
