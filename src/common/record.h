/* SPDX-License-Identifier: MIT */
#pragma once

/* An audit record, as a worker leaves it in the pipe to lowportd: one per decision. A write of this
 * size to a pipe is whole or nothing (pipe(7), PIPE_BUF). */

#include <limits.h>
#include <stdint.h>

enum {
        RECORD_REQUEST = 1, /* a request was decided, or could not be understood */
        RECORD_CLOSED = 2,  /* a connection was closed on its client; `reason` says why */
        RECORD_LOST = 3,    /* `count` records found the queue full */
        RECORD_STUCK = 4,   /* `count` workers are left behind; `pid` is the newest */
        RECORD_DIED = 5,    /* worker `pid` died of signal `count` while it served `uid` */
};

enum {
        RECORD_OTHER_NETNS = 1 << 0,  /* the peer is in a network namespace of its own */
        RECORD_UNIT_UNKNOWN = 1 << 1, /* a rule hangs on the peer's unit, which is not known */
        RECORD_PEER_ENDED = 1 << 2,   /* because its process has ended */
        RECORD_NOT_TAKEN = 1 << 3,    /* granted, but the client was gone; `error` says how */
        RECORD_NOT_BOUND = 1 << 4,    /* granted, but bind(2) then failed; `error` says how */
        RECORD_OWN_MODE = 1 << 5,     /* it came on the socket of the own mode */
};

struct record {
        uint16_t kind;
        uint16_t operation; /* WIRE_…; 0: none was understood */
        uint16_t reason;    /* enum lowport_reason */
        uint16_t flags;     /* RECORD_… */
        uint32_t uid, gid;
        int32_t pid;
        int32_t error;       /* what the client was told */
        uint64_t time;       /* microseconds since 1970 */
        uint64_t inode;      /* of the socket handed out or bound, 0: none */
        uint64_t count;      /* RECORD_LOST, RECORD_STUCK, RECORD_DIED */
        uint32_t generation; /* of the rules */
        uint32_t request_flags;
        uint32_t backlog;
        uint32_t scope;
        uint16_t port;
        uint8_t protocol;
        uint8_t family; /* 0: there is no address */
        uint8_t address[16];
        uint32_t line;  /* of the rule that decided, 0: none */
        char unit[64];  /* the peer's, if it was asked for and found; NUL-terminated, perhaps cut */
        char path[104]; /* the rule's file, NUL-terminated, perhaps cut */
};

_Static_assert(sizeof(struct record) == 256, "records lie in the pipe one after another");
_Static_assert(sizeof(struct record) <= PIPE_BUF, "a record is written whole");
