/* SPDX-License-Identifier: MIT */
#pragma once

/* Who holds a port already, as the kernel lists its sockets (sock_diag(7)). */

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

/* True when a socket of another uid than `uid` stands in the way of binding one as `request` says,
 * though the kernel might let both be bound: any with UDP, which may share with SO_REUSEADDR; one
 * that is bound and does not listen with TCP, for of these the first to listen gets the port (seen
 * from Linux 6.8 on). What listens the kernel does not let another bind over. True also when the
 * kernel does not say.
 *
 * In the daemon's network namespace. */
bool holder_is_other(const struct request *request, uint32_t uid);
