/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Puts a copy of the `size` bytes at `data` into a memfd and seals it: its size and contents stay as
 * they are, whoever gets the descriptor. Returns 0 or a negative errno. */
int sealed_new(const void *data, size_t size, int *ret_fd);
