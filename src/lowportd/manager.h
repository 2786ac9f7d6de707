/* SPDX-License-Identifier: MIT */
#pragma once

/* The manager: starts the parts, loads policies, ends when told. */

#include "lowportd/listener.h"
#include "lowportd/options.h"

/* Runs until SIGTERM, or until the binder dies. Returns the status to exit with. */
int manager_run(const struct options *options, struct listeners *listeners);
