/* SPDX-License-Identifier: MIT */
#include "binder/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "binder/audit.h"
#include "binder/binding.h"
#include "binder/leader.h"
#include "binder/peer.h"
#include "binder/reason.h"
#include "common/cleanup.h"
#include "common/fdpass.h"
#include "policy/decide.h"

/* A grant that has not been taken for so long counts as unread; milliseconds. */
enum { UNREAD_AFTER = 1000 };

struct connection {
        int fd;
        struct peer peer;
        uint32_t turn;
        bool answered; /* the first request was */
        bool granted;  /* a socket was sent on it, and may not be read yet */
        bool silent;   /* no request came in time */
};

/* One request on its way: what the client will be told, and what the audit. */
struct exchange {
        struct wire_reply reply;
        struct record record;
        int fd;
};

/* Wakes the parent, once until it has looked. */
static void nudge(struct worker *w) {
        static const uint64_t one = 1;

        if (atomic_exchange(&w->board->nudged, 1) == 0)
                (void)!write(w->nudge, &one, sizeof(one));
}

static void send_record(struct worker *w, const struct record *record) {
        if (!audit_send(w->board, w->records, record))
                nudge(w);
}

static bool leaving(const struct worker *w) {
        return atomic_load(&w->slot->leave) != 0;
}

/* Says a last word. Closing a connection with requests unread would make the client's next call
 * fail with ECONNRESET, and the word go unheard. */
static void dismiss(int fd, const struct wire_reply *reply) {
        char byte;

        (void)fdpass_send(fd, reply, sizeof(*reply), -1);
        (void)shutdown(fd, SHUT_RD);
        while (fdpass_receive(fd, &byte, sizeof(byte), MSG_DONTWAIT, NULL) > 0)
                ;
}

/* ---- accept ---- */

/* No descriptors left: the reserve makes room to take one client and tell it to come again. Returns
 * false when not even that was possible. */
static bool turn_away(struct worker *w, int error) {
        struct wire_reply reply = {
                .version = WIRE_VERSION,
                .reason = LOWPORT_EXHAUSTED,
                .error = error,
        };
        _cleanup_fd_ int fd = -1;

        w->reserve = close_fd(w->reserve);
        fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
                dismiss(fd, &reply);
        fd = close_fd(fd);
        w->reserve = fcntl(w->listener, F_DUPFD_CLOEXEC, 0);
        return w->reserve >= 0;
}

/* Returns a connection, or -1 when there is none and the worker should look around. */
static int accept_connection(struct worker *w) {
        static const struct timespec pause = { .tv_nsec = 10000000 };
        int fd;

        if (!leader_become(w->board, w->slot))
                return -1;
        fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 || errno == EINTR)
                return fd;
        if ((errno == EMFILE || errno == ENFILE) && turn_away(w, errno))
                return -1;
        (void)nanosleep(&pause, NULL); /* a moment later there may be some */
        return -1;
}

/* ---- receive ---- */

/* The descriptor of a reply that is not read stays charged to our uid, also after close(2). So a
 * connection is kept until its grant was taken, however long that is. */
static bool grant_is_unread(const struct connection *c) {
        int bytes = 0;

        return c->granted && ioctl(c->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

/* What the parent wishes of a worker that waits: another client needs its place, or new rules are
 * in force. A client that has not had its first answer yet gets it by the rules it came under. */
static bool asked_to_close(const struct worker *w, const struct connection *c) {
        return atomic_load(&w->slot->give_up) == c->turn || (leaving(w) && c->answered);
}

/* Waits until the client has sent something (1), or the time is over (0). -ECONNRESET: it has closed
 * its end, and needs no answer. While this worker leads it watches for other clients as well, and
 * steps down for them. */
static int wait_for_client(struct worker *w, const struct connection *c, uint64_t milliseconds) {
        struct pollfd pollers[] = {
                { .fd = c->fd, .events = POLLIN },
                { .fd = w->listener, .events = POLLIN },
        };
        int n = poll(pollers, leader_is(w->board, w->slot) ? 2 : 1, (int)milliseconds);

        if (n > 0 && pollers[0].revents == 0) {
                leader_step_down(w->board, w->slot);
                return -EINTR; /* the deadline is nearer, and this client may be to make room */
        }
        if (n > 0)
                return (pollers[0].revents & POLLHUP) != 0 ? -ECONNRESET : 1;
        return n < 0 ? -errno : 0;
}

/* False: the connection is to be closed. */
static bool wait_for_request(struct worker *w, struct connection *c) {
        const struct orders *orders = &w->board->orders;
        uint64_t until =
                board_now() + (c->answered ? orders->idle_timeout : orders->request_timeout);

        board_enter(w->slot, c->answered ? WORKER_NEXT : WORKER_FIRST);
        while (!asked_to_close(w, c)) {
                uint64_t now = board_now();
                uint64_t left = now < until ? until - now : 0;
                int n = wait_for_client(w, c, c->granted ? UNREAD_AFTER : left);

                if (n == -EINTR)
                        continue;
                if (n != 0)
                        return n > 0 && !asked_to_close(w, c);
                if (!c->granted) {
                        c->silent = !c->answered;
                        return false; /* the deadline */
                }
                c->granted = grant_is_unread(c);
                atomic_store(&w->slot->unread, c->granted);
        }
        return false;
}

/* Returns the size of the datagram received, 0 when there will be none. A descriptor that comes
 * with it is never taken: without a control buffer the kernel drops it. */
static size_t receive_request(struct worker *w, struct connection *c, struct wire_request *ret) {
        ssize_t n = -EAGAIN;

        if (!c->answered)
                n = fdpass_receive(c->fd, ret, sizeof(*ret), MSG_DONTWAIT, NULL);
        if (n == -EAGAIN && wait_for_request(w, c))
                n = fdpass_receive(c->fd, ret, sizeof(*ret), MSG_DONTWAIT, NULL);
        board_enter(w->slot, WORKER_SERVING);
        return n > 0 ? (size_t)n : 0;
}

/* ---- decide ---- */

static enum lowport_reason
judge(struct worker *w, struct connection *c, const struct request *request, struct exchange *x) {
        struct subject subject = {
                .uid = c->peer.uid,
                .gids = c->peer.gids,
                .n_gids = c->peer.n_gids,
                .same_netns = c->peer.same_netns,
        };
        struct verdict verdict = decide(w->rules, &subject, request);

        if (verdict.wants_unit) {
                _cleanup_fd_ int process = -1;

                x->record.flags |= RECORD_UNIT_UNKNOWN;
                if (peer_open_process(c->fd, &process) == -ESRCH)
                        x->record.flags |= RECORD_PEER_ENDED;
        }
        x->reply.detail = verdict.reason == LOWPORT_NOT_LOW_PORT ? w->rules->header->port_max
                                                                 : verdict.family;
        if (verdict.rule != RULESET_NONE) {
                const struct ruleset_rule *rule = &w->rules->rules[verdict.rule];
                const char *path = w->rules->text + rule->path;

                x->reply.line = x->record.line = rule->line;
                (void)stpncpy(x->reply.path, path, sizeof(x->reply.path) - 1);
                (void)stpncpy(x->record.path, path, sizeof(x->record.path) - 1);
        }
        return verdict.reason;
}

/* ---- bind ---- */

static enum lowport_reason open_socket(struct worker *w,
                                       struct connection *c,
                                       const struct request *request,
                                       struct exchange *x) {
        uint32_t connections, unread;
        int r;

        board_count_user(w->board, c->peer.uid, &connections, &unread);
        if (unread >= w->board->orders.unread_per_user || grant_is_unread(c))
                return LOWPORT_OVER_LIMIT;
        r = binding_open(w->board, w->slot, request, &x->fd, &x->record.inode);
        x->reply.error = -r;
        return reason_of_error(-r);
}

/* ---- reply ---- */

static void set_reason(struct exchange *x, enum lowport_reason reason) {
        if (x->reply.error == 0)
                x->reply.error = reason_error(reason);
        x->reply.reason = x->record.reason = (uint16_t)reason;
        x->record.error = x->reply.error;
}

/* Sends the reply, and the socket with it. Where the socket cannot go (the client's end refuses
 * descriptors, too many are on their way) the client is told so instead. */
static bool send_reply(struct worker *w, struct connection *c, struct exchange *x) {
        int r = fdpass_send(c->fd, &x->reply, sizeof(x->reply), x->fd);

        if (r == 0 && x->fd >= 0)
                c->granted = true;
        if (r < 0 && x->fd >= 0) {
                x->reply.flags = 0;
                x->reply.error = -r;
                set_reason(x, reason_of_error(-r));
                x->record.flags |= RECORD_NOT_TAKEN;
                send_record(w, &x->record);
                r = fdpass_send(c->fd, &x->reply, sizeof(x->reply), -1);
        }
        return r == 0;
}

/* ---- one request, from the datagram to the record ---- */

static bool serve_request(struct worker *w,
                          struct connection *c,
                          const struct wire_request *wire,
                          size_t size) {
        struct exchange x = {
                .reply = { .version = WIRE_VERSION, .uid = c->peer.uid },
                .record = audit_begin(RECORD_REQUEST, &c->peer),
                .fd = -1,
        };
        struct request request;
        enum lowport_reason reason = wire_decode(wire, size, &request, &x.reply.detail);
        bool sent;

        x.record.generation = w->generation;
        if (size >= 2 * sizeof(uint16_t))
                x.reply.operation = wire->operation;
        if (reason == LOWPORT_GRANTED && request.operation == WIRE_OWN) {
                x.reply.detail = WIRE_OWN; /* not on this socket */
                reason = LOWPORT_UNKNOWN_OPERATION;
        }
        if (reason == LOWPORT_GRANTED && request.operation == WIRE_STATUS) {
                board_fill_status(w->board, &x.reply.status);
                return fdpass_send(c->fd, &x.reply, sizeof(x.reply), -1) == 0;
        }
        if (reason == LOWPORT_GRANTED) {
                audit_request(&x.record, &request);
                reason = judge(w, c, &request, &x);
        }
        if (reason == LOWPORT_GRANTED && request.operation == WIRE_OPEN)
                reason = open_socket(w, c, &request, &x);
        if (x.fd >= 0)
                x.reply.flags = WIRE_HAS_DESCRIPTOR;
        set_reason(&x, reason);
        atomic_fetch_add(&w->board->requests[reason_outcome(reason)], 1);

        /* The record goes first: there is no grant without one, whoever is killed when. */
        send_record(w, &x.record);
        sent = send_reply(w, c, &x);
        if (x.fd >= 0)
                binding_hand_over(w->board, w->slot, x.fd);
        return sent;
}

/* ---- one connection ---- */

static void record_closing(struct worker *w, struct connection *c, enum lowport_reason reason) {
        struct record record = audit_begin(RECORD_CLOSED, &c->peer);

        record.reason = (uint16_t)reason;
        send_record(w, &record);
}

/* A connection that had to make room is told so. */
static void make_room(struct worker *w, struct connection *c) {
        struct wire_reply reply = {
                .version = WIRE_VERSION,
                .reason = LOWPORT_OVER_LIMIT,
                .error = EAGAIN,
                .uid = c->peer.uid,
        };

        if (grant_is_unread(c))
                atomic_fetch_add(&w->board->abandoned, 1);
        atomic_fetch_add(&w->board->evicted, 1);
        dismiss(c->fd, &reply);
        record_closing(w, c, LOWPORT_OVER_LIMIT);
}

static void close_connection(struct worker *w, struct connection *c) {
        if (atomic_load(&w->slot->give_up) == c->turn)
                make_room(w, c);
        else if (c->silent)
                record_closing(w, c, LOWPORT_TIMED_OUT);

        /* Where descriptors can be queued on the connection, closing it may take for ever: the
         * parent must see that this is not waiting. */
        board_enter(w->slot, WORKER_SERVING);
        atomic_store(&w->slot->unread, 0);
        c->fd = close_fd(c->fd);
}

/* Lets the parent see to it that workers are ready, and that no user has more than its share. */
static void check_crowd(struct worker *w, uint32_t uid) {
        const struct orders *orders = &w->board->orders;
        uint32_t connections, unread;

        board_count_user(w->board, uid, &connections, &unread);
        if (connections > orders->workers_per_user) {
                atomic_store(&w->board->crowded, uid);
                atomic_store(&w->board->crowd, 1);
                nudge(w);
        }
        if (board_count(w->board, WORKER_IDLE) < (orders->spare + 1) / 2)
                nudge(w);
}

/* Returns true when this process may serve another connection. */
static bool serve_connection(struct worker *w, int fd) {
        static uint32_t gids[PEER_GIDS_MAX];
        struct connection c = { .fd = fd, .peer = { .gids = gids } };
        struct wire_request wire;

        c.turn = atomic_fetch_add(&w->slot->turn, 1) + 1;
        atomic_store(&w->slot->uid, RULESET_NONE);
        board_enter(w->slot, WORKER_SERVING);
        if (peer_identify(fd, w->own_netns, &c.peer) == 0) {
                size_t size;

                atomic_store(&w->slot->uid, c.peer.uid);
                if (!c.peer.closed_to_descriptors)
                        leader_step_down(w->board, w->slot); /* receiving may take for ever */
                check_crowd(w, c.peer.uid);
                while ((size = receive_request(w, &c, &wire)) > 0 &&
                       serve_request(w, &c, &wire, size))
                        c.answered = true;
        }
        close_connection(w, &c);
        return c.peer.closed_to_descriptors;
}

void worker_run(struct worker *w) {
        bool again = true;

        /* The workers do not outlive the parent; it may have died before this took hold. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != w->parent)
                _exit(EXIT_FAILURE);
        for (size_t i = 0; i < sizeof(w->not_yours) / sizeof(w->not_yours[0]); i++)
                (void)close_fd(w->not_yours[i]);
        w->reserve = fcntl(w->listener, F_DUPFD_CLOEXEC, 0);

        while (again && !leaving(w)) {
                int fd;

                board_enter(w->slot, WORKER_IDLE);
                if (board_count(w->board, WORKER_IDLE) > 2 * w->board->orders.spare)
                        break; /* a burst is over */
                fd = accept_connection(w);
                if (fd >= 0)
                        again = serve_connection(w, fd);
        }
        leader_step_down(w->board, w->slot);
        _exit(EXIT_SUCCESS);
}
