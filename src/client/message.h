/* SPDX-License-Identifier: MIT */
#pragma once

/* Reasons in words. */

#include <stddef.h>

#include "common/wire.h"

/* What a message may name. */
struct message {
        uint16_t reason; /* enum lowport_reason, or one that this release does not know */
        int error;
        uint32_t uid;
        uint32_t detail;
        uint32_t line;          /* of the rule, 0: none */
        const char *path;       /* its file */
        const char *socket;     /* of the daemon */
        const char *problem;    /* what is wrong with the arguments, or NULL */
        struct address address; /* that the request names; family 0: none */
        uint16_t port;
};

/* A full sentence without its stop. */
void message_write(const struct message *message, char *ret, size_t size);

/* The errno that always comes with a reason; 0: it varies, or the reason is not known. */
int message_errno(unsigned reason);
