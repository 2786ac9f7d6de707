/* SPDX-License-Identifier: MIT */
#pragma once

/* Descriptors that close themselves: `_cleanup_fd_ int fd = -1;`. Handing one on is
 * `*ret_fd = fd; fd = -1;`. */

#include <errno.h>
#include <unistd.h>

/* Closes `fd` unless it is -1 and returns -1; errno survives, so that an error path may close
 * before it reports. */
static inline int close_fd(int fd) {
        if (fd >= 0) {
                int saved = errno;

                (void)close(fd);
                errno = saved;
        }
        return -1;
}

static inline void close_fd_at(int *fd) {
        *fd = close_fd(*fd);
}

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_fd_ _cleanup_(close_fd_at)
