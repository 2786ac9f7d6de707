/* SPDX-License-Identifier: MIT */
#pragma once

/* What a request is about, in words for people: "tcp [::]:80", "udp 127.0.0.1:53". */

#include <stddef.h>
#include <stdint.h>

#include "common/address.h"

enum { ENDPOINT_TEXT_MAX = 96 }; /* room for any of these */

/* "tcp", "udp", "sctp". */
const char *endpoint_protocol(uint8_t protocol);

/* "::1", "10.0.0.1", "fe80::1%2". */
void endpoint_format_address(const struct address *address, char *ret, size_t size);

/* "[::1]:80", "10.0.0.1:80". */
void endpoint_format_place(const struct address *address, uint16_t port, char *ret, size_t size);

/* "tcp [::]:80"; one that takes no IPv4 beside shows as "tcp6 [::]:80". */
void endpoint_format(uint8_t protocol,
                     const struct address *address,
                     uint16_t port,
                     bool v6only,
                     char *ret,
                     size_t size);
