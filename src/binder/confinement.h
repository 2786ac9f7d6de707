/* SPDX-License-Identifier: MIT */
#pragma once

/* What a process of the binder gives up for good, so that one gone bad can do little but its work.
 * Each stage takes what the running kernel has, and tells what that was (LOWPORT_PROTECTION_…). */

#include <stdint.h>

#include "policy/ruleset.h"

/* The parent, before its first worker, which inherits all of it.
 * Should: keep its descriptors and its memory, fork, and signal what it has forked.
 * Mustn't: gain a privilege, leave a core, open a file, connect, start a program, call what is not
 * on the list in filter.c, or signal anybody else. */
uint32_t confinement_enter(void);

/* Returns a descriptor for confinement_enter_worker(), made once for all workers of a set of rules,
 * or a negative errno: this kernel has nothing of the kind. The caller closes it. Says in `protections`
 * whether TCP ports are limited to those that a rule grants; they are not on an older kernel, or where
 * there are so many that every worker would take a millisecond to be born. */
int confinement_of_worker(const struct ruleset *rules, uint32_t *protections);

/* A worker, at its birth. Takes the descriptor, or a negative value, and closes it.
 * Should: serve, and bind what the policy may grant.
 * Mustn't: bind another TCP port, fork, or signal its parent or another worker.
 * Returns 0, or a negative errno: the kernel has promised what it cannot keep now, and the worker must
 * not serve. */
int confinement_enter_worker(int landlock);
