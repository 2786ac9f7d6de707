/* SPDX-License-Identifier: MIT */
#pragma once

/* The socket that a granted request gets: made, bound, listening. */

#include <stdint.h>

#include "binder/board.h"
#include "binder/own_socket.h"
#include "common/wire.h"

/* Makes the socket that `request` asks for. Waits, within bounds, for a hand-over of the same port
 * that is not over yet. On success `slot->handing` is set: the caller sends the descriptor and then
 * calls binding_hand_over(), whatever came of sending. Returns 0 or a negative errno, the kernel's. */
int binding_open(struct board *board,
                 struct slot *slot,
                 const struct request *request,
                 int *ret_fd,
                 uint64_t *ret_inode);

/* Binds the client's own socket in place, so that no other user's socket is taken over or shared.
 * `guarded`: it must not come to take IPv4, whatever the client does to it meanwhile. Waits, within
 * bounds, for its turn and for hand-overs; a client that holds the socket's lock makes it wait for
 * ever. The caller calls binding_hand_over() afterwards, whatever came of it. Returns 0 or a negative
 * errno, the kernel's, or -EADDRINUSE. */
int binding_own(struct board *board,
                struct slot *slot,
                const struct request *request,
                const struct own_socket *own,
                bool guarded);

/* Closes our copy of the socket and wakes who waits for the port. */
void binding_hand_over(struct board *board, struct slot *slot, int fd);
