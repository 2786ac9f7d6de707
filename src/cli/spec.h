/* SPDX-License-Identifier: MIT */
#pragma once

/* SPEC: `[PROTO:][ADDR:]PORT[,OPTION]…`, what `lowport run -l` and `lowport explain` take. The
 * options are name=N, backlog=N, nolisten, freebind, reuseport, mptcp. */

#include <stddef.h>

#include "common/wire.h"

struct spec {
        struct request request; /* operation WIRE_OPEN; family ADDRESS_V6 [::] for a bare port */
        bool reuseport, mptcp;  /* of a socket of one's own: `lowport run --own` */
        bool any_address;       /* no address, no 4 or 6: may fall back to 0.0.0.0 without IPv6 */
        char name[256];         /* for LISTEN_FDNAMES; "tcp-80" unless the SPEC names it */
        char text[80];          /* for people: "tcp [::]:80", "udp 127.0.0.1:53" */
};

/* Parses `text`. Returns 0, or -EINVAL with what is wrong and what was expected in `error`. */
int spec_parse(const char *text, struct spec *ret, char *error, size_t error_size);

/* True for options that only a socket of one's own can have. */
bool spec_needs_own(const struct spec *spec);

/* "tcp [::]:80" for people; V6ONLY shows as "tcp6". */
void spec_describe(const struct request *request, char *ret, size_t size);

/* The address as lowport_open() and lowport_check() take it: `buffer` (64 bytes are enough), or
 * NULL where any address will do. */
const char *spec_address(const struct spec *spec, char *buffer, size_t size);
