/* SPDX-License-Identifier: MIT */
#pragma once

/* What lowportd and lowport-binder say to each other. They are installed together; there are no
 * versions to negotiate, only one to compare. */

#include <stdint.h>

/* The descriptors that lowport-binder is started with. */
enum {
        BINDER_FD_CONTROL = 3,  /* SOCK_SEQPACKET: orders in, reports out; its end means "exit" */
        BINDER_FD_RECORDS = 4,  /* the writing end of a pipe, O_NONBLOCK */
        BINDER_FD_OPEN = 5,     /* the bound Unix socket of the open mode, if it is served */
        BINDER_FD_OWN = 6,      /* that of the own mode, if it is served */
        BINDER_FD_REGISTRY = 7, /* where to ask for units, see registry.h */
};

enum {
        ORDERS_VERSION = 1,
        WORKERS_LIMIT = 1024, /* the most that `workers` and `own_workers` may say */
};

/* One datagram, with the sealed rule set as its descriptor: the first starts the workers, each
 * later one replaces them. */
struct orders {
        uint32_t version;
        uint32_t generation;       /* of the rules, counted from 1 */
        uint32_t workers;          /* the most at once in open mode, stuck ones not counted */
        uint32_t workers_per_user; /* the most connections of one uid at once, in both modes */
        uint32_t own_workers;      /* the most at once in own mode, stuck ones counted */
        uint32_t own_per_user;     /* of these, those on which one uid may send a descriptor */
        uint32_t spare;            /* idle workers kept ready */
        uint32_t request_timeout;  /* milliseconds a client may take for its first request */
        uint32_t idle_timeout;     /* milliseconds it may then wait before each next one */
        uint32_t unread_per_user;  /* sockets granted to one uid that it has not taken yet */
};

enum {
        REPORT_READY = 1,  /* these rules are in force: no worker decides on older ones any more,
                            * but for connections that had been accepted before */
        REPORT_FAILED = 2, /* they are not; the old ones stay */
};

struct report {
        uint32_t kind;
        uint32_t generation;
        int32_t error;        /* a positive errno with REPORT_FAILED */
        uint32_t protections; /* LOWPORT_PROTECTION_…, with REPORT_READY */
};

/* Exit statuses of lowport-binder that lowportd has words for. */
enum {
        BINDER_EXIT_MISUSED = 64,       /* not started by lowportd */
        BINDER_EXIT_NO_CAPABILITY = 77, /* CAP_NET_BIND_SERVICE is not permitted */
        BINDER_EXIT_FAILED = 70,        /* it has said why on standard error */
};
