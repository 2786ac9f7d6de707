/* SPDX-License-Identifier: MIT */
#pragma once

/* What a request is about, in words for people: "tcp [::]:80", "udp 127.0.0.1:53". */

#include <stddef.h>
#include <stdint.h>

#include "common/address.h"

enum { ENDPOINT_TEXT_MAX = 96 };

/* "tcp", "udp", "sctp"; "protocol N" is for nobody to see. */
const char *endpoint_protocol(uint8_t protocol);

/* Writes protocol, address and port; `v6only` shows as "tcp6 [::]:80". */
void endpoint_format(uint8_t protocol,
                     const struct address *address,
                     uint16_t port,
                     bool v6only,
                     char ret[ENDPOINT_TEXT_MAX]);

/* The address alone, without brackets: "::1", "10.0.0.1", "fe80::1%2". */
void endpoint_format_address(const struct address *address, char *ret, size_t size);
