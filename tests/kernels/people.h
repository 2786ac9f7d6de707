/* SPDX-License-Identifier: MIT */
#pragma once

/* Who lives on the machine, and what they do: connect, make sockets, run programs. */

#include <stddef.h>
#include <sys/types.h>

enum {
        ROOT = 0,
        DAEMON = 990,
        ALICE = 1001, /* she and bob are members of the daemon's group */
        BOB = 1002,
        CAROL = 1003,
};

/* The network namespaces of connect_from() and make_socket_in(). */
enum place { HERE, ELSEWHERE };

/* Becomes a user without a privilege, for good. The process ends with its parent. */
void people_become(uid_t uid);

/* Becomes a user with one capability, as a service manager would start it. */
void people_become_capable(uid_t uid, int capability);

/* A connection of that user's to a Unix socket; -1 with errno. */
int people_connect(uid_t uid, const char *path);

/* The same, or a socket, of a network namespace of its own. */
int people_connect_elsewhere(uid_t uid, const char *path);
int people_socket_elsewhere(uid_t uid, int domain, int type);

/* A socket that is the user's own. */
int people_socket(uid_t uid, int domain, int type);

/* Runs a program to its end, with what it says (both streams) in `text`. Returns its exit status. The
 * arguments end with NULL. */
int people_run(uid_t uid, char *text, size_t size, const char *const arguments[]);

/* Starts one; what it says goes to a descriptor. */
pid_t people_start(uid_t uid, const char *const arguments[], int output);
