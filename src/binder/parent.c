/* SPDX-License-Identifier: MIT */
#include "binder/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binder/audit.h"
#include "binder/board.h"
#include "binder/handover.h"
#include "binder/leader.h"
#include "binder/peer.h"
#include "binder/worker.h"
#include "common/cleanup.h"
#include "common/fdpass.h"

/* Milliseconds. */
enum {
        PATIENCE = 5,   /* of a client when nobody is idle: most are back in microseconds */
        ASK_AGAIN = 20, /* a signal may arrive just before the wait that it is to interrupt */
        GIVE_UP_AFTER =
                1000,       /* a worker that does not react is killed, and one that does not die */
                            /* is left behind */
        SERVING_MAX = 5000, /* no request takes so long */
        LOOK_AGAIN = 1000,  /* at workers that are not idle */
        STOP_AFTER = 2000,  /* requests in hand may end when the binder is to exit */
};

/* What the parent knows of a worker and no worker can write to. */
struct child {
        pid_t pid; /* 0: the slot is free */
        uint32_t generation;
        uint64_t asked;  /* since when it is asked to leave or to give up, 0: it is not */
        uint64_t killed; /* since when it should be dead, 0: it lives */
};

struct parent {
        int control, listener, records, nudge, signals;
        uint64_t own_netns;
        struct board *board;
        struct child *children; /* one per slot */
        struct ruleset rules;
        bool ready;    /* the rules in force have been reported */
        bool stopping; /* fork no more */
        uint64_t lost_reported;
};

/* ---- orders ---- */

/* Maps the rule set that came with the orders. It is sealed, or it could change under the workers. */
static int map_rules(int fd, struct ruleset *ret) {
        const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
        struct stat stat;
        void *memory;
        int r;

        if (fd < 0 || fstat(fd, &stat) < 0)
                return -EBADMSG;
        r = fcntl(fd, F_GET_SEALS); /* -1: not a file that can be sealed */
        if (r < 0 || (r & seals) != seals)
                return -EBADMSG;
        memory = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        r = ruleset_open(memory, (size_t)stat.st_size, ret);
        if (r < 0)
                (void)munmap(memory, (size_t)stat.st_size);
        return r;
}

/* Returns 1 with orders, 0 when lowportd has closed the socket, or a negative errno. */
static int receive_orders(int control, struct orders *ret, struct ruleset *ret_rules) {
        _cleanup_fd_ int fd = -1;
        ssize_t n = fdpass_receive(control, ret, sizeof(*ret), 0, &fd);
        int r;

        if (n <= 0)
                return (int)n;
        if (n != sizeof(*ret) || ret->version != ORDERS_VERSION || ret->workers == 0 ||
            ret->workers > WORKERS_LIMIT)
                return -EBADMSG;
        r = map_rules(fd, ret_rules);
        return r < 0 ? r : 1;
}

static void send_report(const struct parent *p, uint32_t kind, uint32_t generation, int error) {
        struct report report = { .kind = kind, .generation = generation, .error = error };

        (void)fdpass_send(p->control, &report, sizeof(report), -1);
}

/* ---- workers ---- */

static struct slot *slot_of(const struct parent *p, uint32_t i) {
        return &p->board->slots[i];
}

static uint32_t state_of(const struct parent *p, uint32_t i) {
        return atomic_load(&slot_of(p, i)->state);
}

static _Noreturn void become_worker(struct parent *p, uint32_t i, pid_t parent) {
        struct worker worker = {
                .board = p->board,
                .slot = slot_of(p, i),
                .rules = &p->rules,
                .generation = p->board->generation,
                .own_netns = p->own_netns,
                .parent = parent,
                .listener = p->listener,
                .records = p->records,
                .nudge = p->nudge,
        };

        (void)close_fd(p->control);
        (void)close_fd(p->signals);
        worker_run(&worker);
}

/* Returns 0 or a negative errno; -ENOSPC: every slot is taken. */
static int fork_worker(struct parent *p) {
        struct board *board = p->board;
        uint32_t i = 0;
        pid_t self = getpid(), pid;

        while (i < board->n_slots && p->children[i].pid != 0)
                i++;
        if (i == board->n_slots)
                return -ENOSPC;

        memset(slot_of(p, i), 0, sizeof(struct slot));
        board_enter(slot_of(p, i), WORKER_IDLE);
        if (i >= board->used)
                board->used = i + 1;
        pid = fork();
        if (pid < 0) {
                board_enter(slot_of(p, i), WORKER_NONE);
                return -errno;
        }
        if (pid == 0)
                become_worker(p, i, self);
        p->children[i] = (struct child){ .pid = pid, .generation = board->generation };
        board->workers++;
        return 0;
}

/* What a dead worker leaves: perhaps a hand-over that others wait for, perhaps the lead. */
static void bury(struct parent *p, uint32_t i) {
        struct board *board = p->board;
        struct slot *slot = slot_of(p, i);

        handover_end(board, slot);
        leader_step_down(board, slot);
        if (state_of(p, i) == WORKER_STUCK)
                board->stuck--;
        else
                board->workers--;
        board_enter(slot, WORKER_NONE);
        p->children[i] = (struct child){ 0 };
        while (board->used > 0 && p->children[board->used - 1].pid == 0)
                board->used--;
}

static void reap(struct parent *p) {
        struct signalfd_siginfo info;
        pid_t pid;

        (void)!read(p->signals, &info, sizeof(info));
        while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                for (uint32_t i = 0; i < p->board->n_slots; i++)
                        if (p->children[i].pid == pid)
                                bury(p, i);
}

/* ---- asking, killing, leaving behind ---- */

static void ask(struct parent *p, uint32_t i, uint64_t now) {
        if (p->children[i].asked == 0)
                p->children[i].asked = now;
        (void)kill(p->children[i].pid, SIGUSR1);
}

static void ask_to_leave(struct parent *p, uint32_t i, uint64_t now) {
        atomic_store(&slot_of(p, i)->leave, 1);
        ask(p, i, now);
}

/* A request to give up is over when the worker has gone on to another connection, or to none. */
static bool gave_up(const struct parent *p, uint32_t i) {
        const struct slot *slot = slot_of(p, i);
        uint32_t state = state_of(p, i);

        return atomic_load(&slot->give_up) != atomic_load(&slot->turn) ||
               (state != WORKER_FIRST && state != WORKER_NEXT);
}

/* A process that SIGKILL does not end sits in the kernel and cannot be helped (a descriptor that a
 * client sent may do that, before Linux 6.16). It no longer counts as a worker. */
static void leave_behind(struct parent *p, uint32_t i) {
        struct record record = {
                .kind = RECORD_STUCK,
                .uid = slot_of(p, i)->uid,
                .pid = p->children[i].pid,
                .count = p->board->stuck + 1,
        };

        board_enter(slot_of(p, i), WORKER_STUCK);
        p->board->workers--;
        p->board->stuck++;
        (void)!write(p->records, &record, sizeof(record));
}

/* Sees to it that one worker reacts to what it was asked. */
static void press(struct parent *p, uint32_t i, uint64_t now) {
        struct child *child = &p->children[i];
        struct slot *slot = slot_of(p, i);
        uint32_t state = state_of(p, i);
        bool hangs = state == WORKER_SERVING && now > slot->since + SERVING_MAX;
        bool waits = state == WORKER_FIRST && atomic_load(&slot->give_up) != slot->turn;

        if (child->killed != 0) {
                if (state != WORKER_STUCK && now > child->killed + GIVE_UP_AFTER)
                        leave_behind(p, i);
                return;
        }
        if (child->asked != 0 && atomic_load(&slot->leave) == 0 && gave_up(p, i))
                child->asked = 0;
        if (hangs || (child->asked != 0 && !waits && now > child->asked + GIVE_UP_AFTER)) {
                child->killed = now;
                (void)kill(child->pid, SIGKILL);
        } else if (child->asked != 0) {
                ask(p, i, now);
        }
}

/* The connection that has waited longest on its client makes room, of `uid` or (RULESET_NONE) of
 * anyone. One whose client has not taken the socket it was granted goes last, and only for lack of
 * any other place: its descriptor stays charged to us. */
static void make_room(struct parent *p, uint32_t uid, uint64_t now) {
        uint32_t best = RULESET_NONE;
        uint64_t best_since = UINT64_MAX;

        for (uint32_t i = 0; i < p->board->used; i++) {
                struct slot *slot = slot_of(p, i);
                uint32_t state = state_of(p, i);
                uint64_t since = slot->since;

                if (p->children[i].pid == 0 || p->children[i].asked != 0)
                        continue;
                if (state != WORKER_FIRST && state != WORKER_NEXT)
                        continue;
                if (uid != RULESET_NONE && (slot->uid != uid || slot->unread != 0))
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
        ask(p, best, now);
}

/* A user over its share makes room from its own. Returns false while it still is over it: nothing
 * of it waits at the moment, or has not gone yet. */
static bool thin_out_crowd(struct parent *p, uint64_t now) {
        uint32_t uid = p->board->crowded, connections, unread;

        if (p->board->crowd == 0)
                return true;
        board_count_user(p->board, uid, &connections, &unread);
        if (connections <= p->board->orders.workers_per_user) {
                p->board->crowd = 0;
                return true;
        }
        connections -= p->board->orders.workers_per_user;
        for (uint32_t i = 0; i < p->board->used && connections > 0; i++)
                connections -= p->children[i].asked != 0 && slot_of(p, i)->uid == uid;
        for (; connections > 0; connections--)
                make_room(p, uid, now);
        return false;
}

/* ---- tending ---- */

/* In force means: nothing is decided by older rules any more, but for connections that had been
 * accepted before and have not had their first answer. */
static bool rules_in_force(const struct parent *p) {
        for (uint32_t i = 0; i < p->board->used; i++) {
                uint32_t state = state_of(p, i);

                if (p->children[i].pid != 0 && p->children[i].generation != p->board->generation &&
                    (state == WORKER_IDLE || state == WORKER_NEXT))
                        return false;
        }
        return true;
}

static void report_lost_records(struct parent *p) {
        struct record record = {
                .kind = RECORD_LOST,
                .count = p->board->records_lost - p->lost_reported,
        };

        if (record.count > 0 && write(p->records, &record, sizeof(record)) > 0)
                p->lost_reported += record.count;
}

/* Looks after all workers; returns how long, in milliseconds, nothing more needs to be done, or -1:
 * until something happens. */
static int tend(struct parent *p) {
        struct board *board = p->board;
        uint64_t now = board_now();
        int pause = -1, r = 0;

        atomic_store(&board->nudged, 0);
        if (!thin_out_crowd(p, now))
                pause = ASK_AGAIN;
        while (!p->stopping && r == 0 && board->workers < board->orders.workers &&
               board_count(board, WORKER_IDLE) < board->orders.spare)
                r = fork_worker(p);
        if (r < 0)
                pause = ASK_AGAIN; /* no memory, no process: try again */
        for (uint32_t i = 0; i < board->used; i++) {
                if (p->children[i].pid == 0)
                        continue;
                press(p, i, now);
                if (p->children[i].asked != 0)
                        pause = ASK_AGAIN;
                else if (pause < 0 && state_of(p, i) != WORKER_IDLE)
                        pause = LOOK_AGAIN;
        }
        if (!p->ready && rules_in_force(p)) {
                p->ready = true;
                send_report(p, REPORT_READY, board->generation, 0);
        }
        report_lost_records(p);
        if (board->records_lost != p->lost_reported && pause < 0)
                pause = LOOK_AGAIN;
        return pause;
}

/* Takes new orders: new workers on the new rules, and the old ones leave. */
static void replace_rules(struct parent *p, const struct orders *orders, struct ruleset rules) {
        uint64_t now = board_now();
        struct ruleset old = p->rules;

        p->rules = rules;
        p->board->generation = orders->generation;
        p->board->rules = rules.header->rules;
        p->ready = false;
        for (uint32_t i = 0; i < p->board->used; i++)
                if (p->children[i].pid != 0)
                        ask_to_leave(p, i, now);
        if (old.header != NULL)
                (void)munmap((void *)(uintptr_t)old.header, old.header->size);
        for (uint32_t n = 0; n < orders->spare && n < orders->workers; n++)
                if (fork_worker(p) < 0)
                        break; /* tend() goes on trying */
}

/* Returns false when lowportd wants no more. */
static bool handle_control(struct parent *p) {
        struct orders orders;
        struct ruleset rules = { 0 };
        int r = receive_orders(p->control, &orders, &rules);

        if (r > 0)
                replace_rules(p, &orders, rules);
        else if (r < 0)
                send_report(p, REPORT_FAILED, 0, -r);
        return r != 0;
}

/* Lets requests in hand end; what is left then dies with the parent. */
static void stop(struct parent *p) {
        struct pollfd poller = { .fd = p->signals, .events = POLLIN };
        uint64_t until = board_now() + STOP_AFTER;

        p->stopping = true;
        while (p->board->workers > 0 && board_now() < until) {
                for (uint32_t i = 0; i < p->board->used; i++)
                        if (p->children[i].pid != 0)
                                ask_to_leave(p, i, board_now());
                if (poll(&poller, 1, ASK_AGAIN) > 0)
                        reap(p);
        }
}

/* Nobody is idle, and nobody is making room already: the parent itself looks out for clients. */
static bool is_full(const struct parent *p) {
        for (uint32_t i = 0; i < p->board->used; i++)
                if (p->children[i].asked != 0 || state_of(p, i) == WORKER_IDLE)
                        return false;
        return true;
}

static bool client_waits(const struct parent *p) {
        struct pollfd poller = { .fd = p->listener, .events = POLLIN };

        return poll(&poller, 1, 0) > 0;
}

static int parent_loop(struct parent *p) {
        struct pollfd pollers[] = {
                { .fd = p->control, .events = POLLIN },
                { .fd = p->signals, .events = POLLIN },
                { .fd = p->nudge, .events = POLLIN },
                { .events = POLLIN },
        };
        uint64_t waits_since = 0; /* a client waits and nobody is idle, 0: none does */

        for (;;) {
                uint64_t count;
                int pause = tend(p);

                pollers[3].fd = waits_since == 0 && is_full(p) ? p->listener : -1;
                if (poll(pollers, 4, waits_since != 0 ? PATIENCE : pause) < 0 && errno != EINTR)
                        return -errno;
                if (pollers[3].revents != 0)
                        waits_since = board_now();
                if (waits_since != 0 && board_now() > waits_since + PATIENCE) {
                        if (is_full(p) && client_waits(p))
                                make_room(p, RULESET_NONE, board_now());
                        waits_since = 0;
                }
                if ((pollers[0].revents & (POLLIN | POLLHUP)) != 0 && !handle_control(p))
                        break;
                if (pollers[1].revents != 0)
                        reap(p);
                if (pollers[2].revents != 0)
                        (void)!read(p->nudge, &count, sizeof(count));
        }
        stop(p);
        return 0;
}

/* ---- start ---- */

static void interrupted(int signal) {
        (void)signal; /* to have come is all it is for */
}

/* lowportd alone answers to the terminal and to the service manager. SIGUSR1 interrupts what a
 * worker waits in. */
static int set_up_signals(int *ret_fd) {
        static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
        struct sigaction interrupt = { .sa_handler = interrupted };
        sigset_t child;

        for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
                if (signal(ignored[i], SIG_IGN) == SIG_ERR)
                        return -errno;
        (void)sigemptyset(&child);
        (void)sigaddset(&child, SIGCHLD);
        if (sigaction(SIGUSR1, &interrupt, NULL) < 0 || sigprocmask(SIG_SETMASK, &child, NULL) < 0)
                return -errno;
        *ret_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        return *ret_fd < 0 ? -errno : 0;
}

/* Descriptors are refused before the socket listens; on one that systemd made it is too late for
 * connections that wait already, and each of them tells. listen(2) here makes the clients see
 * this process's credentials, not those of a root that started it. */
static int set_up_listener(int listener) {
        (void)peer_refuse_descriptors(listener);
        return listen(listener, SOMAXCONN) < 0 ? -errno : 0;
}

int parent_run(int control, int listener, int records) {
        struct parent p = { .control = control, .listener = listener, .records = records };
        struct orders orders;
        struct ruleset rules = { 0 };
        int r = receive_orders(control, &orders, &rules);

        if (r <= 0)
                return r < 0 ? r : -ECONNRESET;
        r = peer_own_netns(&p.own_netns);
        if (r == 0)
                r = set_up_signals(&p.signals);
        if (r == 0)
                r = set_up_listener(listener);
        if (r < 0)
                return r;

        p.nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        p.board = board_new(&orders);
        if (p.nudge < 0 || p.board == NULL)
                return -errno;
        p.children = calloc(p.board->n_slots, sizeof(*p.children));
        if (p.children == NULL)
                return -ENOMEM;
        replace_rules(&p, &orders, rules);
        r = p.board->workers > 0 ? parent_loop(&p) : -EAGAIN;
        free(p.children);
        return r;
}
