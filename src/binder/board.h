/* SPDX-License-Identifier: MIT */
#pragma once

/* The board: one page of memory that the parent and its workers share. A worker writes what it is
 * doing into its own slot, with plain stores, and the parent reads it there; so in the usual case
 * the two need no system call to stay in step. Nothing on it decides what is granted. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/orders.h"
#include "common/record.h"
#include "common/wire.h"

/* The two ways to get a bound socket; each has its own listening socket, and its own workers. */
enum mode {
        MODE_OPEN, /* the worker makes the socket */
        MODE_OWN,  /* the client sends it: what it sends may hold the worker up for ever */
        MODES,
};

enum worker_state {
        WORKER_NONE,    /* the slot is free */
        WORKER_IDLE,    /* waits for a connection */
        WORKER_FIRST,   /* waits for the first request of its connection */
        WORKER_SERVING, /* has one in hand */
        WORKER_NEXT,    /* waits for a further request */
        WORKER_STUCK,   /* killed, and the kernel does not let it go */
};

enum outcome {
        OUTCOME_GRANTED,
        OUTCOME_DENIED,
        OUTCOME_FAILED,
        OUTCOME_OVER_LIMIT,
        OUTCOME_MALFORMED,
        OUTCOMES,
};

struct slot {
        _Alignas(64) _Atomic uint32_t state;
        _Atomic uint32_t turn;    /* counts the connections of this worker */
        _Atomic uint64_t since;   /* of the state, monotonic milliseconds */
        _Atomic uint32_t uid;     /* of the peer, while there is one */
        _Atomic uint32_t unread;  /* the peer has not taken the socket it was granted */
        _Atomic uint32_t handing; /* the port of a bound socket of which this worker has a copy */
        _Atomic uint32_t binding; /* what this worker has, or waits for, the turn of, see turn.h */
        _Atomic uint32_t exposed; /* the peer's descriptors can arrive, or have arrived */
        uint32_t mode;            /* enum mode; written by the parent before the fork */

        /* The parent's wishes. A signal that interrupts what the worker waits in goes with them. */
        _Atomic uint32_t leave;   /* exit when the request in hand is answered */
        _Atomic uint32_t give_up; /* close the connection of this turn, if it still waits */
};

enum { HANDOVER_WORDS = 64, TURN_WORDS = 2 * 65536 };

struct board {
        /* For STATUS. */
        _Atomic uint64_t requests[OUTCOMES]; /* OPEN and CHECK, and what was not understood */
        _Atomic uint64_t evicted, abandoned, records_lost, timed_out, turned_away;
        _Atomic uint32_t workers[MODES], stuck, generation, rules, protections;
        uint64_t started; /* monotonic milliseconds */
        struct orders orders;

        _Atomic uint32_t nudged; /* the parent has been woken and has not looked yet */
        _Atomic uint32_t crowd;  /* a uid is over its share of connections; see `crowded` */
        _Atomic uint32_t crowded;

        _Atomic uint32_t leaders[MODES]; /* futexes, see leader.h */

        /* By port: how many hand-overs have ended (a futex), and how many workers wait for one. */
        _Atomic uint32_t handed[HANDOVER_WORDS], handover_waiters[HANDOVER_WORDS];

        _Atomic uint32_t turns[TURN_WORDS]; /* by port, those of UDP apart: futexes, see turn.h */

        uint32_t n_slots;
        _Atomic uint32_t used; /* no slot from here on is taken: what a count has to look at */
        struct slot slots[];
};

/* How many workers of a mode there may be, stuck ones counted. */
uint32_t board_room(const struct orders *orders, enum mode mode);

/* How many idle workers of a mode are kept ready. */
uint32_t board_spare(const struct orders *orders, enum mode mode);

/* A board with room for the workers that `orders` allow and for some stuck ones; NULL with errno. */
struct board *board_new(const struct orders *orders);

uint64_t board_now(void); /* monotonic milliseconds */

void board_enter(struct slot *slot, enum worker_state state);

/* Workers of one mode in one state. */
uint32_t board_count(const struct board *board, enum mode mode, enum worker_state state);

/* Connections in own mode, of `uid` or (RULESET_NONE) of anyone, on which descriptors can arrive or have
 * arrived, those of stuck workers among them. */
uint32_t board_count_exposed(const struct board *board, uint32_t uid);

/* Connections of `uid`, and those of them with a granted socket that it has not taken. */
void board_count_user(const struct board *board,
                      uint32_t uid,
                      uint32_t *ret_connections,
                      uint32_t *ret_unread);

void board_fill_status(const struct board *board, struct wire_status *ret);
