/* SPDX-License-Identifier: MIT */
#pragma once

/* One datagram with at most one descriptor, over a SOCK_SEQPACKET socket. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Sends `size` bytes, and `fd` with them unless it is -1; the caller keeps its copy. Never blocks,
 * never raises SIGPIPE. Returns 0 or a negative errno: -EAGAIN, the peer does not read; -EPERM, the
 * peer's end refuses descriptors (SO_PASSRIGHTS); -ETOOMANYREFS, too many sockets of this user are
 * on their way already. */
int fdpass_send(int socket, const void *data, size_t size, int fd);

/* Receives one datagram. `flags` is for recvmsg(2), MSG_DONTWAIT for example. Returns its real
 * size, which may be larger than `size`, 0 at the end of the stream, or a negative errno. With
 * `ret_fd` NULL no descriptor is received; else it gets the one that came (close-on-exec), or -1.
 * -EBADMSG: more ancillary data than one descriptor; all of it is closed. */
ssize_t fdpass_receive(int socket, void *data, size_t size, int flags, int *ret_fd);

/* Looks whether descriptors lie with the next datagram, and leaves both where they are: to take or to
 * drop a descriptor may take for ever. Never blocks; false when there is no datagram. */
bool fdpass_brings_descriptors(int socket);
