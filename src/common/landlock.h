/* SPDX-License-Identifier: MIT */
#pragma once

/* Landlock (landlock(7), Linux 5.13): what a process gives up of the rights its user has, for itself
 * and all that it starts, for ever. What the running kernel does not know yet is left out. The
 * numbers are the kernel's own; the C library has no names for them, and its headers are older. */

#include <stdint.h>

enum {
        LANDLOCK_EXECUTE = 1 << 0,
        LANDLOCK_READ_FILE = 1 << 2,
        LANDLOCK_READ_DIR = 1 << 3,
        LANDLOCK_REMOVE_FILE = 1 << 5,
        LANDLOCK_ALL_FILES = (1 << 16) - 1, /* every right of files that is known here */
};

enum {
        LANDLOCK_BIND_TCP = 1 << 0, /* Linux 6.7 */
        LANDLOCK_CONNECT_TCP = 1 << 1,
};

enum {
        LANDLOCK_ABSTRACT_SOCKETS = 1 << 0, /* Linux 6.12: those of other processes */
        LANDLOCK_SIGNALS = 1 << 1,          /* to processes that have not the same limits */
};

/* What is given up, but for what is then allowed. */
struct landlock_rights {
        uint64_t files, tcp, scopes;
};

/* Returns a set of rules that gives up what the kernel knows of `rights`, and makes `rights` say so;
 * -ENOSYS or -EOPNOTSUPP: this kernel has no Landlock, or it is off. The caller closes it. */
int landlock_create(struct landlock_rights *rights);

/* Allows `rights` of files beneath a directory. Returns 0 or a negative errno. */
int landlock_allow_files(int rules, const char *directory, uint64_t rights);

/* Allows bind(2) to a TCP port. Returns 0 or a negative errno. */
int landlock_allow_port(int rules, uint16_t port);

/* From now on. The process must have PR_SET_NO_NEW_PRIVS. Returns 0 or a negative errno. */
int landlock_enforce(int rules);
