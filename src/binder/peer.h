/* SPDX-License-Identifier: MIT */
#pragma once

/* Who is at the other end of a connection, as the kernel tells it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PEER_GIDS_MAX = 65536 + 1 }; /* NGROUPS_MAX, and the effective one */

struct peer {
        pid_t pid;
        uint32_t uid, gid;
        uint32_t *gids; /* all groups; the memory is the caller's, PEER_GIDS_MAX of them */
        size_t n_gids;
        bool same_netns;
        bool closed_to_descriptors; /* the kernel lets none arrive on this connection */
};

/* The cookie of our own network namespace, to compare with. Returns 0 or a negative errno. */
int peer_own_netns(uint64_t *ret_cookie);

/* Is this socket, or for a Unix connection its peer, in the network namespace of that cookie? No
 * answer counts as "no". */
bool peer_in_netns(int socket, uint64_t netns);

/* Makes a listening socket refuse descriptors, for all connections made from now on (Linux 6.16).
 * Returns 0; -ENOPROTOOPT where the kernel cannot. */
int peer_refuse_descriptors(int listener);

/* Lets descriptors arrive on one connection. From here on reading, closing and even dropping it may
 * take for ever. */
void peer_accept_descriptors(int connection);

/* Fills `peer` (whose `gids` is set) for an accepted connection. Returns 0 or a negative errno. */
int peer_identify(int connection, uint64_t own_netns, struct peer *peer);

/* The peer as a process, by a descriptor that no reuse of its pid can fake (Linux 6.5). Returns 0,
 * -ESRCH when it has ended, or another negative errno. */
int peer_open_process(int connection, int *ret_pidfd);
