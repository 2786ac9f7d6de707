/* SPDX-License-Identifier: MIT */
#include "cli/execute.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

int execute(char **command) {
        int error;

        (void)execvp(command[0], command);
        error = errno;
        cli_complain("cannot run %s: %s", command[0], strerror(error));
        return error == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_RUN;
}
