/* SPDX-License-Identifier: MIT */
#pragma once

/* An input of fuzz-reply: a call, and then what a hostile daemon sends, datagram by datagram. */

#include <stdint.h>

enum {
        FUZZ_OPEN = 0,
        FUZZ_CHECK = 1,
        FUZZ_STATUS = 2,
        FUZZ_BIND = 3,
};

struct fuzz_call {
        uint8_t call;  /* FUZZ_…, of its lowest two bits */
        uint8_t place; /* which address */
        uint8_t flags; /* of lowport_open() */
        uint8_t again; /* lowest bit: the same call a second time, on the same handle */
};

enum { FUZZ_CLOSE = 1 << 7 }; /* nothing more comes on this connection */

struct fuzz_datagram {
        uint8_t fds; /* the lowest two bits: how many descriptors; FUZZ_CLOSE */
        uint8_t reserved;
        uint16_t size; /* of the bytes that follow; what the input lacks is not sent */
};
