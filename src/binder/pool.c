/* SPDX-License-Identifier: MIT */
#include "binder/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binder/handover.h"
#include "binder/leader.h"
#include "binder/turn.h"

/* Milliseconds. */
enum {
        GIVE_UP_AFTER =
                1000,       /* one that does not react is killed; one that does not die is stuck */
        SERVING_MAX = 5000, /* no request takes so long */
        LOOK_AGAIN = 1000,  /* at workers that are not idle */
};

/* What no worker can write to. */
struct child {
        pid_t pid; /* 0: the slot is free */
        enum mode mode;
        uint32_t generation;
        uint64_t asked;   /* since when it is asked to leave or to give up, 0: it is not */
        uint64_t stopped; /* since when it is stopped (SIGSTOP), 0: it runs */
        uint64_t killed;  /* since when it should be dead, 0: it lives */
        bool leaving, stuck;
};

static struct slot *slot_of(const struct pool *p, uint32_t i) {
        return &p->board->slots[i];
}

static uint32_t state_of(const struct pool *p, uint32_t i) {
        return atomic_load(&slot_of(p, i)->state);
}

static enum mode mode_of(const struct pool *p, uint32_t i) {
        return p->children[i].mode;
}

static uint32_t count_idle(const struct pool *p, enum mode mode) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < p->used; i++)
                n += mode_of(p, i) == mode && state_of(p, i) == WORKER_IDLE;
        return n;
}

uint32_t pool_count(const struct pool *p) {
        return p->workers[MODE_OPEN] + p->workers[MODE_OWN];
}

static uint32_t count_connections(const struct pool *p, uint32_t uid) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < p->used; i++)
                n += state_of(p, i) >= WORKER_FIRST && slot_of(p, i)->uid == uid;
        return n;
}

static _Noreturn void become_worker(const struct pool *p, uint32_t i, pid_t parent) {
        struct worker worker = p->worker;

        worker.board = p->board;
        worker.slot = slot_of(p, i);
        worker.parent = parent;
        worker.listener = worker.listeners[worker.slot->mode];
        worker_run(&worker);
}

int pool_fork(struct pool *p, enum mode mode) {
        uint32_t i = 0;
        pid_t self = getpid(), pid;

        if (p->workers[mode] + p->stuck[mode] >= board_room(&p->orders, mode))
                return -ENOSPC;
        while (i < p->n_slots && p->children[i].pid != 0)
                i++;
        if (i == p->n_slots)
                return -ENOSPC;

        memset(slot_of(p, i), 0, sizeof(struct slot));
        slot_of(p, i)->mode = mode;
        board_enter(slot_of(p, i), WORKER_IDLE);
        if (i >= p->used)
                p->board->used = p->used = i + 1;
        pid = fork();
        if (pid < 0) {
                board_enter(slot_of(p, i), WORKER_NONE);
                return -errno;
        }
        if (pid == 0)
                become_worker(p, i, self);
        p->children[i] = (struct child){
                .pid = pid,
                .mode = mode,
                .generation = p->worker.generation,
        };
        p->board->workers[mode] = ++p->workers[mode];
        return 0;
}

/* What a worker that is gone leaves: perhaps a hand-over that others wait for, perhaps the lead. */
static void settle(struct pool *p, uint32_t i) {
        handover_end(p->board, slot_of(p, i));
        leader_step_down(p->board, slot_of(p, i));
}

static void show_counts(struct pool *p, enum mode mode) {
        p->board->workers[mode] = p->workers[mode];
        p->board->stuck = p->stuck[MODE_OPEN] + p->stuck[MODE_OWN];
}

static void bury(struct pool *p, uint32_t i) {
        enum mode mode = mode_of(p, i);

        settle(p, i);
        turn_end(p->board, slot_of(p, i));
        if (p->children[i].stuck)
                p->stuck[mode]--;
        else
                p->workers[mode]--;
        show_counts(p, mode);
        slot_of(p, i)->exposed = 0;
        board_enter(slot_of(p, i), WORKER_NONE);
        p->children[i] = (struct child){ 0 };
        while (p->used > 0 && p->children[p->used - 1].pid == 0)
                p->used--;
        p->board->used = p->used;
}

/* Nobody here wanted its death: a mistake, a killed intruder, or a person with the right to. */
static void tell_death(struct pool *p, uint32_t i, int signal) {
        struct record record = {
                .kind = RECORD_DIED,
                .uid = state_of(p, i) == WORKER_IDLE ? RULESET_NONE : slot_of(p, i)->uid,
                .pid = p->children[i].pid,
                .count = (uint64_t)signal,
        };

        (void)!write(p->worker.records, &record, sizeof(record));
}

/* One that is stopped (SIGSTOP) keeps what it has, perhaps the lead, and nobody is served: press() sees
 * to it. */
static void note_stop(struct pool *p, uint32_t i, int status) {
        p->children[i].stopped = WIFSTOPPED(status) ? board_now() : 0;
}

void pool_reap(struct pool *p) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0)
                for (uint32_t i = 0; i < p->used; i++) {
                        if (p->children[i].pid != pid)
                                continue;
                        if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
                                note_stop(p, i, status);
                                continue;
                        }
                        if (WIFSIGNALED(status) && p->children[i].killed == 0)
                                tell_death(p, i, WTERMSIG(status));
                        p->stillborn = p->stillborn || (status != 0 && slot_of(p, i)->turn == 0);
                        bury(p, i);
                }
}

/* ---- asking, killing, leaving behind ---- */

static void ask(struct pool *p, uint32_t i, uint64_t now) {
        if (p->children[i].asked == 0)
                p->children[i].asked = now;
        (void)kill(p->children[i].pid, SIGUSR1);
}

void pool_dismiss(struct pool *p) {
        uint64_t now = board_now();

        for (uint32_t i = 0; i < p->used; i++) {
                if (p->children[i].pid == 0)
                        continue;
                p->children[i].leaving = true;
                atomic_store(&slot_of(p, i)->leave, 1);
                ask(p, i, now);
        }
}

/* A request to give up is over when the worker has gone on to another connection, or to none. */
static bool gave_up(const struct pool *p, uint32_t i) {
        const struct slot *slot = slot_of(p, i);
        uint32_t state = state_of(p, i);

        return atomic_load(&slot->give_up) != atomic_load(&slot->turn) ||
               (state != WORKER_FIRST && state != WORKER_NEXT);
}

/* A process that SIGKILL does not end sits in the kernel and cannot be helped: a descriptor that a
 * client sent does that. It no longer counts as a worker. Its turn at a port it keeps: it may sit in
 * bind(2), which goes on when the client lets it, whatever signal came, and then must find the port
 * as it was. */
static void leave_behind(struct pool *p, uint32_t i) {
        enum mode mode = mode_of(p, i);
        struct record record = {
                .kind = RECORD_STUCK,
                .uid = slot_of(p, i)->uid,
                .pid = p->children[i].pid,
                .count = p->stuck[MODE_OPEN] + p->stuck[MODE_OWN] + 1,
        };

        p->children[i].stuck = true;
        board_enter(slot_of(p, i), WORKER_STUCK);
        settle(p, i);
        p->workers[mode]--;
        p->stuck[mode]++;
        show_counts(p, mode);
        (void)!write(p->worker.records, &record, sizeof(record));
}

/* Sees to it that one worker reacts to what it was asked. */
static void press(struct pool *p, uint32_t i, uint64_t now) {
        struct child *child = &p->children[i];
        struct slot *slot = slot_of(p, i);
        uint32_t state = state_of(p, i);
        bool hangs = state == WORKER_SERVING && now > slot->since + SERVING_MAX;
        bool waits = state == WORKER_FIRST && atomic_load(&slot->give_up) != slot->turn;

        if (child->killed != 0) {
                if (!child->stuck && now > child->killed + GIVE_UP_AFTER)
                        leave_behind(p, i);
                return;
        }
        if (child->asked != 0 && !child->leaving && gave_up(p, i))
                child->asked = 0;
        hangs = hangs || (child->stopped != 0 && now > child->stopped + GIVE_UP_AFTER);
        if (hangs || (child->asked != 0 && !waits && now > child->asked + GIVE_UP_AFTER)) {
                child->killed = now;
                (void)kill(child->pid, SIGKILL);
        } else if (child->asked != 0) {
                ask(p, i, now);
        }
}

/* The connection that has waited longest on its client gives way: of `uid`, in any mode, or else of
 * anyone in `mode`. One whose client has not taken the socket it was granted goes last, and only for
 * lack of any other place: its descriptor stays charged to us. */
static void make_room(struct pool *p, enum mode mode, uint32_t uid) {
        uint32_t best = RULESET_NONE;
        uint64_t best_since = UINT64_MAX;

        for (uint32_t i = 0; i < p->used; i++) {
                struct slot *slot = slot_of(p, i);
                uint32_t state = state_of(p, i);
                uint64_t since = slot->since;

                if (p->children[i].pid == 0 || p->children[i].asked != 0)
                        continue;
                if (state != WORKER_FIRST && state != WORKER_NEXT)
                        continue;
                if (uid == RULESET_NONE ? mode_of(p, i) != mode
                                        : slot->uid != uid || slot->unread != 0)
                        continue;
                if (slot->unread != 0)
                        since |= UINT64_C(1) << 63;
                if (since < best_since) {
                        best = i;
                        best_since = since;
                }
        }
        if (best == RULESET_NONE)
                return;
        atomic_store(&slot_of(p, best)->give_up, slot_of(p, best)->turn);
        ask(p, best, board_now());
}

void pool_make_room(struct pool *p, enum mode mode) {
        make_room(p, mode, RULESET_NONE);
}

/* A user over its share makes room from its own. Returns false while it still is over it: nothing
 * of it waits at the moment, or has not gone yet. */
static bool thin_out_crowd(struct pool *p) {
        uint32_t uid = p->board->crowded, connections;

        if (p->board->crowd == 0)
                return true;
        connections = count_connections(p, uid);
        if (connections <= p->orders.workers_per_user) {
                p->board->crowd = 0;
                return true;
        }
        connections -= p->orders.workers_per_user;
        for (uint32_t i = 0; i < p->used && connections > 0; i++)
                connections -= p->children[i].asked != 0 && slot_of(p, i)->uid == uid;
        for (; connections > 0; connections--)
                make_room(p, MODES, uid);
        return false;
}

/* ---- tending ---- */

bool pool_is_renewed(const struct pool *p) {
        for (uint32_t i = 0; i < p->used; i++) {
                uint32_t state = state_of(p, i);

                if (p->children[i].pid != 0 && p->children[i].generation != p->worker.generation &&
                    (state == WORKER_IDLE || state == WORKER_NEXT))
                        return false;
        }
        return true;
}

static uint32_t most_workers(const struct pool *p, enum mode mode) {
        if (p->worker.listeners[mode] < 0)
                return 0;
        return mode == MODE_OWN ? p->orders.own_workers : p->orders.workers;
}

bool pool_is_full(const struct pool *p, enum mode mode) {
        if (p->workers[mode] < most_workers(p, mode) && !p->refused[mode])
                return false; /* another one is about to come */
        for (uint32_t i = 0; i < p->used; i++)
                if (mode_of(p, i) == mode && p->children[i].pid != 0 &&
                    (p->children[i].asked != 0 || state_of(p, i) == WORKER_IDLE))
                        return false;
        return true;
}

/* Keeps idle workers ready. Returns 0 or a negative errno: no memory, no process. */
static int top_up(struct pool *p, enum mode mode) {
        int r = 0;

        while (r == 0 && p->workers[mode] < most_workers(p, mode) &&
               count_idle(p, mode) < board_spare(&p->orders, mode))
                r = pool_fork(p, mode);
        p->refused[mode] = r < 0;
        return r;
}

void pool_fill(struct pool *p) {
        for (enum mode mode = MODE_OPEN; mode < MODES; mode++)
                for (uint32_t n = 0; n < board_spare(&p->orders, mode) && n < most_workers(p, mode);
                     n++)
                        if (pool_fork(p, mode) < 0)
                                break; /* pool_tend() goes on trying */
}

int pool_tend(struct pool *p) {
        uint64_t now = board_now();
        int pause = -1;

        if (!thin_out_crowd(p))
                pause = POOL_ASK_AGAIN;
        for (enum mode mode = MODE_OPEN; mode < MODES; mode++)
                if (p->stillborn || top_up(p, mode) < 0)
                        pause = POOL_ASK_AGAIN;
        p->stillborn = false;
        for (uint32_t i = 0; i < p->used; i++) {
                if (p->children[i].pid == 0)
                        continue;
                press(p, i, now);
                if (p->children[i].asked != 0 || p->children[i].stopped != 0)
                        pause = POOL_ASK_AGAIN;
                else if (pause < 0 && state_of(p, i) != WORKER_IDLE)
                        pause = LOOK_AGAIN;
        }
        return pause;
}

int pool_open(struct pool *p, const struct orders *orders, const struct worker *worker) {
        struct board *board = board_new(orders);

        if (board == NULL)
                return -errno;
        *p = (struct pool){
                .board = board,
                .orders = *orders,
                .n_slots = board->n_slots,
                .worker = *worker,
                .children = calloc(board->n_slots, sizeof(*p->children)),
        };
        return p->children == NULL ? -ENOMEM : 0;
}

void pool_close(struct pool *p) {
        free(p->children);
        p->children = NULL;
}
