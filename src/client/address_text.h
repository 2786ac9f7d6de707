/* SPDX-License-Identifier: MIT */
#pragma once

/* Addresses as people write them. */

#include <stddef.h>

#include "common/address.h"

enum { ADDRESS_TEXT_SIZE = 64 }; /* enough for any address with its zone */

/* Reads "192.0.2.1", "::1" or "fe80::1%eth0" (the zone by name or number, and only for a
 * link-local address); an IPv4-mapped address becomes IPv4. Returns 0, -EINVAL if `text` is no
 * address, or -ENODEV if there is no such interface. */
int address_from_text(const char *text, struct address *ret);

/* Writes it so that address_from_text() gives the same again; the zone as a number. */
void address_to_text(const struct address *address, char *ret, size_t size);
