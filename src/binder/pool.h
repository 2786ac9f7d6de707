/* SPDX-License-Identifier: MIT */
#pragma once

/* The pool: the workers, as their parent sees them. It forks them, replaces what dies, asks, kills,
 * leaves behind. Workers can write to the board, so whatever the parent relies on is kept here: on
 * the board it only tells. */

#include "binder/board.h"
#include "binder/worker.h"

/* A signal may arrive just before the wait that it is to interrupt; milliseconds. */
enum { POOL_ASK_AGAIN = 20 };

struct pool {
        struct board *board;
        struct orders orders;
        struct worker worker;   /* what every worker starts with */
        struct child *children; /* one per slot */
        uint32_t n_slots, used; /* as on the board */
        uint32_t workers[MODES], stuck[MODES];
        bool refused[MODES]; /* the last fork was: there is no more to be had for now */
        bool stillborn;      /* a worker ended before it served anybody: the next may, too */
};

/* Makes a pool without workers. Returns 0 or a negative errno. */
int pool_open(struct pool *pool, const struct orders *orders, const struct worker *worker);
void pool_close(struct pool *pool);

/* Forks a worker. Returns 0, or a negative errno; -ENOSPC: there is no room for another. */
int pool_fork(struct pool *pool, enum mode mode);

/* Forks as many workers as new rules need at once. */
void pool_fill(struct pool *pool);

/* Workers of both modes, without the stuck ones. */
uint32_t pool_count(const struct pool *pool);

/* Takes in who has died, and ends who was stopped. */
void pool_reap(struct pool *pool);

/* Asks all to leave, as soon as the requests in hand are answered. */
void pool_dismiss(struct pool *pool);

/* The connection of a mode that has waited longest on its client makes room. */
void pool_make_room(struct pool *pool, enum mode mode);

/* Looks after all workers; returns how long, in milliseconds, nothing more needs to be done, or -1:
 * until something happens. */
int pool_tend(struct pool *pool);

/* Nothing is decided by older rules any more, but for connections that had been accepted before and
 * have not had their first answer. */
bool pool_is_renewed(const struct pool *pool);

/* Nobody of a mode is idle, nobody can be added, and nobody is making room already. */
bool pool_is_full(const struct pool *pool, enum mode mode);
