/* SPDX-License-Identifier: MIT */
#pragma once

/* The seccomp filter: bind(2) waits for the listener's word, every other call passes. The kernel
 * knows calls that always pass from a bitmap, without running the filter (Linux 5.11). */

#include <stdbool.h>

/* Tries in a child whether this process could have such a filter; nothing changes for itself.
 * Returns 0 or a negative errno: -EBUSY, it has a listener already, and a kernel allows one;
 * -EINVAL, a kernel before 5.19; -ENOSYS, no seccomp, or not on this machine. */
int wrap_filter_try(void);

/* Sets no_new_privs and the filter, for this process and all that it starts, for good. With
 * `io_uring`, io_uring_setup(2) waits as well. Returns 0, and the listener, or a negative errno. */
int wrap_filter_install(bool io_uring, int *ret_listener);
