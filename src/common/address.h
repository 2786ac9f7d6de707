/* SPDX-License-Identifier: MIT */
#pragma once

/* An IP address without a port, in one canonical form: an IPv4-mapped IPv6 address is IPv4. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
        ADDRESS_V4 = 4,
        ADDRESS_V6 = 6,
};

struct address {
        uint8_t family;    /* ADDRESS_V4 or ADDRESS_V6 */
        uint8_t bytes[16]; /* network order; IPv4 uses the first four, the rest is zero */
        uint32_t scope;    /* interface index of a link-local IPv6 address, else 0 */
};

/* IPv4-mapped becomes IPv4; anything else stays. */
void address_normalise(struct address *address);

/* True for 0.0.0.0 and [::], which take every address of their family. */
bool address_is_wildcard(const struct address *address);

/* True when the first `length` bits of both are equal. Both must be of one family. */
bool address_in_prefix(const struct address *address, const uint8_t prefix[16], unsigned length);

/* Writes the socket address of `address` and `port` and returns its length. `mapped`: an IPv4
 * address is for an IPv6 socket, and so is written as an IPv4-mapped one. */
socklen_t address_to_sockaddr(const struct address *address,
                              uint16_t port,
                              bool mapped,
                              struct sockaddr_storage *ret);
