/* SPDX-License-Identifier: MIT */
#pragma once

/* A socket that a client has sent, as the kernel tells what it is. A client may hold the
 * socket's lock; getsockopt(2) of the options asked here, and fstat(2) of a socket, do not wait for
 * it. */

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

struct own_socket {
        int fd;
        int domain, type, protocol;
        bool v6only;
        bool same_netns;
        uint32_t uid; /* whose it is: who made it, which need not be who sent it */
        uint64_t inode;
};

/* Fills `socket`, whose `fd` is set. Returns 0, or UNSUITABLE_OTHER for what is no IP socket. */
int own_socket_inspect(struct own_socket *socket, uint64_t own_netns);

/* Is it what `request` says? Returns 0, or one of UNSUITABLE_…. */
int own_socket_check(const struct own_socket *socket, const struct request *request);

/* True for one that is bound, connected or listening. May block. */
bool own_socket_is_bound(const struct own_socket *socket);
