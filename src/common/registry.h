/* SPDX-License-Identifier: MIT */
#pragma once

/* How a worker asks lowportd for the unit of a process: a datagram of one byte with one end of a pair
 * of sockets, in which another with the process's pidfd waits already. The answer comes through that
 * pair: the unit's name, or the end of the stream when it is not known. */

enum {
        UNIT_NAME_MAX = 256,     /* with the NUL */
        REGISTRY_PATIENCE = 500, /* milliseconds that a worker waits for the answer */
};
