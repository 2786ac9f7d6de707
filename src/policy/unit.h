/* SPDX-License-Identifier: MIT */
#pragma once

/* Which system unit a process is in, by the name of its control group. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads the control group (of version 2, or systemd's own of version 1) that /proc tells of a process,
 * for example "/system.slice/nginx.service". Returns 0 or a negative errno: -ESRCH, there is no such
 * process; -ENODATA, no such group. */
int unit_read_cgroup(pid_t pid, char *ret, size_t size);

/* The unit that systemd made the group for: what comes after the slices. What users have below their
 * user@UID.service is not the system's. Returns 0, or -ENXIO when the group is no unit's. */
int unit_of_cgroup(const char *cgroup, char *ret, size_t size);
