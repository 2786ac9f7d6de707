/* SPDX-License-Identifier: MIT */
#pragma once

/* The socket that a granted request gets: made, bound, listening. */

#include <stdint.h>

#include "binder/board.h"
#include "common/wire.h"

/* Makes the socket that `request` asks for. Waits, within bounds, for a hand-over of the same port
 * that is not over yet. On success `slot->handing` is set: the caller sends the descriptor and then
 * calls binding_hand_over(), whatever came of sending. Returns 0 or a negative errno, the kernel's. */
int binding_open(struct board *board,
                 struct slot *slot,
                 const struct request *request,
                 int *ret_fd,
                 uint64_t *ret_inode);

/* Closes our copy of the socket and wakes who waits for the port. */
void binding_hand_over(struct board *board, struct slot *slot, int fd);
