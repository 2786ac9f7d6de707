/* SPDX-License-Identifier: MIT */
#pragma once

/* Addresses as people write them. */

#include <stddef.h>

#include "common/address.h"

/* Reads "192.0.2.1", "::1" or "fe80::1%eth0" (the zone by name or number, and only for a
 * link-local address); an IPv4-mapped address becomes IPv4. Returns 0, -EINVAL if `text` is no
 * address, or -ENODEV if there is no such interface. */
int address_from_text(const char *text, struct address *ret);
