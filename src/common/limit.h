/* SPDX-License-Identifier: MIT */
#pragma once

/* Limits of resources, which only ever become tighter: getrlimit(2). */

#include <errno.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Lowers a limit of this process (RLIMIT_…) and all that it starts to `most`, if it is not lower
 * already. Returns 0 or a negative errno. The C libraries do not agree on the type of `resource`. */
static inline int limit_lower(int resource, uint64_t most) {
        const uint64_t wanted[2] = { most, most };
        uint64_t now[2];

        if (syscall(SYS_prlimit64, 0, resource, wanted, NULL) == 0)
                return 0;
        if (errno != EPERM || syscall(SYS_prlimit64, 0, resource, NULL, now) < 0)
                return -errno;
        return now[1] <= most ? 0 : -EPERM; /* to raise it is what we must not */
}
