/* SPDX-License-Identifier: MIT */
#pragma once

/* The wire protocol, version 1: one SOCK_SEQPACKET datagram each way, of fixed size, in the
 * machine's own byte order (it never leaves the machine). docs/protocol.md says it for people who
 * write a client in another language; both must change together. */

#include <lowport/lowport.h>

#include "common/address.h"

enum {
        WIRE_VERSION = 1,

        WIRE_OPEN = 1,   /* open, bind, listen; the reply carries the socket */
        WIRE_OWN = 2,    /* bind the socket that this request carries */
        WIRE_CHECK = 3,  /* would OPEN (or OWN) be granted to me, and by which rule? */
        WIRE_STATUS = 4, /* version, uptime, counters */

        WIRE_REQUEST_SIZE = 48,
        WIRE_REPLY_SIZE = 256,

        WIRE_HAS_DESCRIPTOR = 1 << 0, /* a flag of the reply */
};

/* What is wrong with the socket that came with OWN: the reply's detail. */
enum {
        UNSUITABLE_MISSING = 1,  /* no descriptor came */
        UNSUITABLE_MANY = 2,     /* more than one came */
        UNSUITABLE_OTHER = 3,    /* it is no IP socket */
        UNSUITABLE_PROTOCOL = 4, /* of another type or protocol than the request says */
        UNSUITABLE_FAMILY = 5,   /* an IPv4 socket for an IPv6 address */
        UNSUITABLE_BOUND = 6,    /* bound, connected or listening already */
};

struct wire_request {
        uint16_t version;
        uint16_t operation;
        uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
        uint8_t family;   /* ADDRESS_V4 or ADDRESS_V6 */
        uint16_t port;
        uint32_t flags;      /* LOWPORT_V6ONLY … */
        uint32_t backlog;    /* of listen(2); 0: as many as the kernel allows */
        uint8_t address[16]; /* network order; all zero: every address */
        uint32_t scope;      /* interface index for a link-local address, else 0 */
        uint32_t reserved[3];
};

struct wire_status {
        uint64_t uptime; /* seconds since the daemon started */
        uint64_t granted, denied, failed, over_limit, malformed, evicted, abandoned, records_lost;
        uint32_t generation; /* how many times a policy was loaded */
        uint32_t rules;      /* in the policy in force */
        uint32_t workers, workers_idle, workers_stuck;
        uint32_t workers_max, workers_per_user;
        uint32_t protections; /* LOWPORT_PROTECTION_…: what confines the binder */
        char version[32];     /* the daemon's release, NUL-terminated */
        uint32_t own_workers, own_workers_idle, own_workers_max, own_per_user;
        uint32_t stuck_uid, stuck_of_uid; /* who has most of the stuck ones, and how many */
        uint64_t timed_out, turned_away;
};

struct wire_reply {
        uint16_t version;
        uint16_t operation; /* the request's own */
        uint16_t reason;    /* enum lowport_reason */
        uint16_t flags;     /* WIRE_HAS_DESCRIPTOR */
        int32_t error;      /* an errno, 0 when granted */
        uint32_t uid;       /* the caller as the daemon sees it */
        uint32_t detail;    /* what it means depends on the reason: docs/protocol.md */
        uint32_t line;      /* of the rule that decided, 0: none */
        union {
                char path[232]; /* file of that rule, NUL-terminated; "" none */
                struct wire_status status;
        };
};

_Static_assert(sizeof(struct wire_request) == WIRE_REQUEST_SIZE, "the wire is fixed");
_Static_assert(sizeof(struct wire_reply) == WIRE_REPLY_SIZE, "the wire is fixed");

/* What a request asks for, once it has been checked. */
struct request {
        uint16_t operation;
        uint16_t port; /* 0 for STATUS, else 1 to 65535 */
        uint8_t protocol;
        uint32_t flags;
        int backlog; /* as listen(2) takes it, never 0 */
        struct address address;
};

/* Checks the `size` bytes at `data` and says what they ask for. Returns 0 (granted as far as the
 * form goes) or the reason to refuse; `ret_detail` then is the reply's detail: the size received,
 * the versions spoken, or the offset of the first field that is wrong. Writes `ret` on 0 only. */
enum lowport_reason
wire_decode(const void *data, size_t size, struct request *ret, uint32_t *ret_detail);
