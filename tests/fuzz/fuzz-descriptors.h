/* SPDX-License-Identifier: MIT */
#pragma once

/* Descriptors for targets that send and receive them. */

#include <stddef.h>
#include <stdint.h>

/* Which of the lowest descriptors are open, a bit for each. */
uint64_t fuzz_open_descriptors(void);

/* Sends a datagram with `n_fds` (at most 3) descriptors, whatever becomes of it. */
void fuzz_send(int socket, const void *data, size_t size, unsigned n_fds);
