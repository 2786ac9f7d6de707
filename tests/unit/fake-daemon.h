/* SPDX-License-Identifier: MIT */
#pragma once

/* A daemon that does as it is told, for tests of its clients: a thread that answers the n-th
 * request with the n-th of its acts. */

#include <pthread.h>

#include "common/wire.h"

enum act_kind {
        ACT_REPLY,           /* answers as `reply` says */
        ACT_GRANT,           /* with a descriptor */
        ACT_CLOSE,           /* closes the connection, without an answer */
        ACT_REPLY_CLOSE,     /* answers and closes at once */
        ACT_GRANT_CLOSE,     /* the same with a descriptor */
        ACT_SILENT,          /* never answers */
        ACT_TWO_DESCRIPTORS, /* a grant with one too many */
        ACT_WITH_DESCRIPTOR, /* `reply`, and a descriptor that does not belong to it */
        ACT_SHORT,           /* all but the last byte of a grant */
        ACT_LONG,            /* a grant and a byte more */
        ACT_EMPTY,           /* a datagram without any byte */
        ACT_BIND,            /* binds the socket that came, if one did, and grants */
        ACT_BIND_CLOSE,      /* binds it and ends without an answer, as if killed */
};

struct act {
        enum act_kind kind;
        struct wire_reply reply; /* version, and operation if 0, are filled in */
};

enum { FAKE_ACTS = 32, FAKE_CONNECTIONS = 8 };

struct fake {
        char directory[64], path[96];
        int listener, gift; /* what is granted */
        pthread_t thread;
        struct act acts[FAKE_ACTS];
        size_t n_acts;
        struct wire_request requests[FAKE_ACTS];
        bool passed[FAKE_ACTS]; /* did a descriptor come with it? */
        /* Of the thread alone until it has been joined. */
        size_t n_requests, n_connections;
        int connections[FAKE_CONNECTIONS];
};

/* Listens in a directory of its own, with a backlog of 8. */
void fake_init(struct fake *fake);
void fake_add(struct fake *fake, enum act_kind kind, enum lowport_reason reason, int error);
void fake_start(struct fake *fake);
/* Ends the thread; n_requests and n_connections can be read from then on. */
void fake_stop(struct fake *fake);
void fake_done(struct fake *fake);

/* How many descriptors this process has. */
size_t count_descriptors(void);
