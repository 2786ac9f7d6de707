/* SPDX-License-Identifier: MIT */
#pragma once

/* The search for a process's control group in the tree of groups itself, for where /proc does not show
 * the processes of other users (ProtectProc=invisible in the unit). */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Finds, below `root` (as /sys/fs/cgroup), the group whose id this is; with the id 0, which is none, the
 * group that has the process. Returns 0 with its path below `root`, or -ENOENT.
 *
 * A user may make as many groups as it likes below a unit that was delegated to it. So of each unit, a
 * bounded number is looked at; what is beyond is not found. */
int cgroup_find(const char *root, uint64_t id, pid_t pid, char *ret, size_t size);
