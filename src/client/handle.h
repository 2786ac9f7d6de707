/* SPDX-License-Identifier: MIT */
#pragma once

/* What is behind struct lowport. */

#include <sys/un.h>

#include "client/connection.h"
#include "common/wire.h"

struct lowport {
        struct connection connection;
        unsigned timeout; /* milliseconds for a whole call */
        char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

        /* How the last call ended. */
        uint16_t reason;
        uint32_t uid;
        uint32_t detail;
        uint32_t line;
        char rule_path[sizeof(((struct wire_reply *)0)->path)];
        char message[640];
};

/* Returns 0 or -ENAMETOOLONG. `path` as lowport_new() takes it. */
int handle_init(struct lowport *lp, const char *path);

/* The same for the socket of the own mode: $LOWPORT_OWN_SOCKET, or LOWPORT_OWN_SOCKET_PATH. */
int handle_init_own(struct lowport *lp, const char *path);
void handle_done(struct lowport *lp);

/* A call begins: forgets how the last one ended. */
void handle_reset(struct lowport *lp);

/* A call ends with a reply, or without one (`reply` NULL: `reason` and `error` say why). Keeps what
 * the accessors tell; `request` is for the message. */
void handle_take_reply(struct lowport *lp,
                       const struct wire_request *request,
                       const struct wire_reply *reply);
void handle_take_failure(struct lowport *lp,
                         enum lowport_reason reason,
                         int error,
                         const char *problem);
