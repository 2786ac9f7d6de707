/* SPDX-License-Identifier: MIT */
#pragma once

/* A thread of another process: what it is, its memory, its descriptors. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WRAP_TARGET_NAME = 64 };

struct wrap_target {
        pid_t tid;
        pid_t pid;    /* its process */
        uid_t uid;    /* effective */
        bool capable; /* has CAP_NET_BIND_SERVICE effective, in its own user namespace */
};

/* Returns 0, or -ESRCH: it has gone, or /proc is not readable. */
int wrap_target_look(pid_t tid, struct wrap_target *ret);

/* The name of the process, with nothing in it that a terminal could take for a command. */
void wrap_target_name(pid_t pid, char ret[WRAP_TARGET_NAME]);

/* Copies `size` bytes of its memory. Returns 0 or a negative errno: -EFAULT, not all of them are
 * there; -EPERM, it does not let itself be looked at; -ESRCH, gone. */
int wrap_target_read(pid_t tid, uint64_t from, void *ret, size_t size);

/* A copy of its descriptor `number`. Returns 0 or a negative errno: -EBADF, it has none of that
 * number; -EPERM as above; -EXDEV, its descriptors are not those of its process, and the kernel is
 * one before 6.9. */
int wrap_target_descriptor(const struct wrap_target *target, int number, int *ret_fd);

/* True where the capability of the target holds for `socket`, so that the kernel will let it. */
bool wrap_target_may_bind(const struct wrap_target *target, int socket);
