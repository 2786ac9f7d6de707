/* SPDX-License-Identifier: MIT */
#pragma once

/* `--via=seccomp`: the kernel stops bind(2), and a supervisor answers. */

#include <stddef.h>

#include "cli/wrap_options.h"

enum { WRAP_SECCOMP_UNUSABLE = -1 };

/* From here on the binds of this process, and of what it becomes and starts, are seen. Returns
 * CLI_OK; WRAP_SECCOMP_UNUSABLE, with the reason in `ret_why`, where nothing has changed; or an exit
 * status with the reason told. */
int wrap_seccomp(const struct wrap_options *options,
                 const char *own_socket,
                 char *ret_why,
                 size_t size);
