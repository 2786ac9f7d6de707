/* SPDX-License-Identifier: MIT */
#pragma once

/* `--via=preload`: the dynamic loader puts a module of ours before the C library. */

#include "cli/wrap_options.h"

/* Sets the environment for it. `own_socket` is NULL unless the user named one. Returns CLI_OK, or
 * an exit status with the reason told. */
int wrap_preload(const struct wrap_options *options, const char *own_socket);
