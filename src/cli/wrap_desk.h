/* SPDX-License-Identifier: MIT */
#pragma once

/* What the processes of a supervisor share, so that one can go on where another was killed: the
 * calls that wait for an answer, and what was said. */

#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/wrap_notice.h"
#include "cli/wrap_target.h"
#include "client/deadline.h"

enum { WRAP_SEATS = 64 };

/* One call that waits. The kernel itself writes `notif`, so that there is no moment at which a call
 * was taken and nobody knows of it. */
struct wrap_seat {
        struct seccomp_notif notif; /* all 0: the seat is free */
        uint64_t order;
        struct deadline deadline; /* of the answer */
        pid_t helper;             /* who deals with it; 0: nobody yet */
        unsigned tries;           /* how many helpers had it */
        int outcome;              /* what the helper made of it */
        int error;                /* of reading the address */
        socklen_t length;
        struct sockaddr_storage address;
};

struct wrap_desk {
        bool verbose;
        bool quiet;
        uid_t uid;
        pid_t pid; /* of the program that was started */
        char name[WRAP_TARGET_NAME];
        char own_socket[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": the usual one */
        struct wrap_notices notices;
        uint64_t order;
        struct wrap_seat seats[WRAP_SEATS];
};

/* Returns NULL where there is no memory. Children of this process share it. */
struct wrap_desk *wrap_desk_new(void);

bool wrap_seat_taken(const struct wrap_seat *seat);
void wrap_seat_free(struct wrap_seat *seat);

/* NULL: all are taken. */
struct wrap_seat *wrap_desk_free_seat(struct wrap_desk *desk);

/* The call that waits longest for somebody to deal with it; NULL: none does. */
struct wrap_seat *wrap_desk_next(struct wrap_desk *desk);

/* The call that `helper` deals with; NULL: none. */
struct wrap_seat *wrap_desk_of(struct wrap_desk *desk, pid_t helper);
