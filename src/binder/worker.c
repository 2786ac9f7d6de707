/* SPDX-License-Identifier: MIT */
#include "binder/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "binder/audit.h"
#include "binder/binding.h"
#include "binder/confinement.h"
#include "binder/connection.h"
#include "binder/leader.h"
#include "binder/own_socket.h"
#include "binder/reason.h"
#include "binder/unit.h"
#include "common/cleanup.h"
#include "common/fdpass.h"
#include "policy/decide.h"

/* One request on its way: what the client will be told, and what the audit. */
struct exchange {
        struct wire_reply reply;
        struct record record;
        bool recorded;         /* the record of this verdict has been sent */
        const char *unit;      /* the peer's, once it was asked for and found; else NULL */
        int fd;                /* open mode: goes with the reply */
        struct own_socket own; /* own mode: came with the request */
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

static void set_reason(struct exchange *x, enum lowport_reason reason) {
        if (x->reply.error == 0)
                x->reply.error = reason_error(reason);
        x->reply.reason = x->record.reason = (uint16_t)reason;
        x->record.error = x->reply.error;
}

static void
record_closing(struct worker *w, const struct peer *peer, enum lowport_reason reason, int error) {
        struct record record = audit_begin(RECORD_CLOSED, w->slot->mode, peer);

        record.reason = (uint16_t)reason;
        record.error = error;
        send_record(w, &record);
}

/* ---- accept ---- */

static uint32_t peer_gids[PEER_GIDS_MAX]; /* of the one that is served */

/* No descriptors left: the reserve makes room to take one client and tell it to come again. Returns
 * false when not even that was possible. */
static bool turn_away(struct worker *w, int error) {
        struct peer peer = { .gids = peer_gids };
        struct wire_reply reply = {
                .version = WIRE_VERSION,
                .reason = LOWPORT_EXHAUSTED,
                .error = error,
        };
        _cleanup_fd_ int fd = -1;

        w->reserve = close_fd(w->reserve);
        fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
                atomic_fetch_add(&w->board->turned_away, 1);
                if (peer_identify(fd, w->own_netns, &peer) == 0)
                        record_closing(w, &peer, LOWPORT_EXHAUSTED, error);
                connection_dismiss(fd, &reply);
        }
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

/* ---- decide ---- */

static struct verdict find_verdict(const struct worker *w,
                                   const struct connection *c,
                                   bool same_netns,
                                   const char *unit,
                                   const struct request *request) {
        struct subject subject = {
                .uid = c->peer.uid,
                .gids = c->peer.gids,
                .n_gids = c->peer.n_gids,
                .unit = unit,
                .same_netns = same_netns,
        };

        return decide(w->rules, &subject, request);
}

/* Asks for the peer's unit, and notes it. Returns NULL when it is not known. */
static const char *find_unit(struct worker *w, const struct connection *c, struct exchange *x) {
        static char unit[UNIT_NAME_MAX];
        int r;

        leader_step_down(w->board, w->slot); /* the answer may take its time */
        r = unit_ask(w->registry, c->fd, unit);
        if (r == 0) {
                memcpy(x->record.unit, unit, strnlen(unit, sizeof(x->record.unit) - 1));
                return unit;
        }
        x->record.flags |= RECORD_UNIT_UNKNOWN;
        if (r == -ESRCH)
                x->record.flags |= RECORD_PEER_ENDED;
        return NULL;
}

/* Notes for reply and record who decided, and what is missing. */
static void
note_verdict(const struct worker *w, const struct verdict *verdict, struct exchange *x) {
        x->reply.detail = verdict->reason == LOWPORT_NOT_LOW_PORT ? w->rules->header->port_max
                                                                  : verdict->family;
        if (verdict->rule != RULESET_NONE) {
                const struct ruleset_rule *rule = &w->rules->rules[verdict->rule];
                const char *path = w->rules->text + rule->path;

                x->reply.line = x->record.line = rule->line;
                (void)stpncpy(x->reply.path, path, sizeof(x->reply.path) - 1);
                (void)stpncpy(x->record.path, path, sizeof(x->record.path) - 1);
        }
}

static enum lowport_reason judge(struct worker *w,
                                 const struct connection *c,
                                 bool same_netns,
                                 const struct request *request,
                                 struct exchange *x) {
        struct verdict verdict = find_verdict(w, c, same_netns, x->unit, request);

        /* A rule hangs on it, no denial makes that meaningless, and it was not asked in vain. */
        if (verdict.wants_unit && verdict.reason != LOWPORT_RULE_DENIES &&
            (x->record.flags & RECORD_UNIT_UNKNOWN) == 0) {
                x->unit = find_unit(w, c, x);
                if (x->unit != NULL)
                        verdict = find_verdict(w, c, same_netns, x->unit, request);
        }
        note_verdict(w, &verdict, x);
        return verdict.reason;
}

/* ---- open mode: make the socket ---- */

static enum lowport_reason open_socket(struct worker *w,
                                       struct connection *c,
                                       const struct request *request,
                                       struct exchange *x) {
        uint32_t connections, unread;
        int r;

        board_count_user(w->board, c->peer.uid, &connections, &unread);
        if (unread >= w->board->orders.unread_per_user || connection_is_unread(c))
                return LOWPORT_OVER_LIMIT;
        r = binding_open(w->board, w->slot, request, &x->fd, &x->record.inode);
        x->reply.error = -r;
        return reason_of_error(-r);
}

/* ---- own mode: bind the client's socket ---- */

/* The policy would grant it, so the client may send its socket now. That may hold this worker up for
 * ever, and so there is a bound to how many a user, and all users, can hold up. */
static enum lowport_reason admit(struct worker *w, struct connection *c) {
        const struct orders *orders = &w->board->orders;

        if (c->admitted)
                return LOWPORT_GRANTED;
        atomic_store(&w->slot->exposed, 1);
        if (board_count_exposed(w->board, c->peer.uid) > orders->own_per_user ||
            board_count_exposed(w->board, RULESET_NONE) > orders->own_workers * 3 / 4) {
                atomic_store(&w->slot->exposed, c->exposed);
                return LOWPORT_OVER_LIMIT;
        }
        leader_step_down(w->board, w->slot);
        c->admitted = c->exposed = true;
        peer_accept_descriptors(c->fd);
        return LOWPORT_GRANTED;
}

/* Receives the socket and looks what it is. */
static enum lowport_reason take_socket(struct worker *w,
                                       struct connection *c,
                                       const struct request *request,
                                       struct exchange *x) {
        struct own_socket *own = &x->own;
        int r, unsuitable = UNSUITABLE_MISSING;

        w->reserve = close_fd(w->reserve); /* room for one, whatever else is open */
        r = connection_take(c, &own->fd);
        if (r < 0 && r != -EBADMSG) {
                x->reply.error = -r;
                return reason_of_error(-r);
        }
        if (r == -EBADMSG)
                unsuitable = UNSUITABLE_MANY;
        else if (own->fd >= 0)
                unsuitable = own_socket_inspect(own, w->own_netns);
        if (unsuitable == 0)
                unsuitable = own_socket_check(own, request);
        x->reply.detail = (uint32_t)unsuitable;
        return unsuitable == 0 ? LOWPORT_GRANTED : LOWPORT_UNSUITABLE_SOCKET;
}

/* Decides once more, now that the socket itself has said what the client only claimed. A client can
 * take IPV6_V6ONLY off until it is bound; so where it may not have IPv4, either we can guard that,
 * or it must be granted. */
static enum lowport_reason judge_socket(struct worker *w,
                                        struct connection *c,
                                        struct request *request,
                                        struct exchange *x,
                                        bool *ret_guarded) {
        const struct own_socket *own = &x->own;
        struct request wider;
        enum lowport_reason reason;

        request->flags &= ~(uint32_t)LOWPORT_V6ONLY;
        wider = *request;
        if (own->v6only && request->address.family == ADDRESS_V6)
                request->flags |= LOWPORT_V6ONLY;
        x->record.request_flags = request->flags;
        x->record.inode = own->inode;
        if (!own->same_netns)
                x->record.flags |= RECORD_OTHER_NETNS;
        else
                x->record.flags &= (uint16_t)~RECORD_OTHER_NETNS;

        reason = judge(w, c, own->same_netns, request, x);
        if (reason != LOWPORT_GRANTED)
                return reason;
        *ret_guarded =
                find_verdict(w, c, own->same_netns, x->unit, &wider).reason != LOWPORT_GRANTED;
        return *ret_guarded && !own->same_netns ? judge(w, c, false, &wider, x) : LOWPORT_GRANTED;
}

static enum lowport_reason
bind_own(struct worker *w, struct connection *c, struct request *request, struct exchange *x) {
        bool guarded = false;
        int r;
        enum lowport_reason reason = take_socket(w, c, request, x);

        if (reason == LOWPORT_GRANTED)
                reason = judge_socket(w, c, request, x, &guarded);
        if (reason != LOWPORT_GRANTED)
                return reason;

        /* The record goes first here as well: bind(2) is the grant. */
        set_reason(x, LOWPORT_GRANTED);
        send_record(w, &x->record);
        x->recorded = true;
        r = binding_own(w->board, w->slot, request, &x->own, guarded);
        if (r == 0)
                return LOWPORT_GRANTED;
        x->recorded = false;
        x->record.flags |= RECORD_NOT_BOUND;
        if (r == -EINVAL && own_socket_is_bound(&x->own)) {
                x->reply.detail = UNSUITABLE_BOUND;
                return LOWPORT_UNSUITABLE_SOCKET;
        }
        x->reply.error = -r;
        return reason_of_error(-r);
}

/* ---- reply ---- */

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

static bool is_served(const struct worker *w, uint16_t operation) {
        return operation != (w->slot->mode == MODE_OWN ? WIRE_OPEN : WIRE_OWN);
}

/* What a request comes to, once it has been understood. */
static enum lowport_reason
carry_out(struct worker *w, struct connection *c, struct request *request, struct exchange *x) {
        bool own = w->slot->mode == MODE_OWN;
        enum lowport_reason reason;

        audit_request(&x->record, request);
        if (own)
                x->record.operation = WIRE_OWN; /* which is what CHECK is for here */
        /* In own mode the socket's namespace counts, and that comes later. */
        reason = judge(w, c, own || c->peer.same_netns, request, x);
        if (reason != LOWPORT_GRANTED)
                return reason;
        if (own)
                reason = admit(w, c);
        if (own && reason == LOWPORT_GRANTED && request->operation == WIRE_CHECK)
                x->recorded = true; /* nothing is granted yet: OWN has the record of that */
        if (reason == LOWPORT_GRANTED && request->operation == WIRE_OPEN)
                reason = open_socket(w, c, request, x);
        if (reason == LOWPORT_GRANTED && request->operation == WIRE_OWN)
                reason = bind_own(w, c, request, x);
        return reason;
}

static bool serve_request(struct worker *w,
                          struct connection *c,
                          const struct wire_request *wire,
                          size_t size) {
        struct exchange x = {
                .reply = { .version = WIRE_VERSION, .uid = c->peer.uid },
                .record = audit_begin(RECORD_REQUEST, w->slot->mode, &c->peer),
                .fd = -1,
                .own = { .fd = -1 },
        };
        struct request request;
        enum lowport_reason reason = wire_decode(wire, size, &request, &x.reply.detail);
        bool sent;

        x.record.generation = w->generation;
        if (size >= 2 * sizeof(uint16_t))
                x.reply.operation = wire->operation;
        if (reason == LOWPORT_GRANTED && !is_served(w, request.operation)) {
                x.reply.detail = request.operation; /* not on this socket */
                reason = LOWPORT_UNKNOWN_OPERATION;
        }
        if (reason == LOWPORT_GRANTED && request.operation == WIRE_STATUS) {
                board_fill_status(w->board, &x.reply.status);
                return fdpass_send(c->fd, &x.reply, sizeof(x.reply), -1) == 0;
        }
        if (reason == LOWPORT_GRANTED)
                reason = carry_out(w, c, &request, &x);
        if (x.fd >= 0)
                x.reply.flags = WIRE_HAS_DESCRIPTOR;
        set_reason(&x, reason);
        atomic_fetch_add(&w->board->requests[reason_outcome(reason)], 1);

        /* The record goes first: there is no grant without one, whoever is killed when. */
        if (!x.recorded)
                send_record(w, &x.record);
        sent = send_reply(w, c, &x);
        if (x.fd >= 0 || x.own.fd >= 0)
                binding_hand_over(w->board, w->slot, x.fd >= 0 ? x.fd : x.own.fd);
        return sent && !(c->exposed && x.reply.operation == WIRE_OWN);
}

/* ---- one connection ---- */

/* A connection that had to make room is told so. */
static void make_room(struct worker *w, struct connection *c) {
        struct wire_reply reply = {
                .version = WIRE_VERSION,
                .reason = LOWPORT_OVER_LIMIT,
                .error = EAGAIN,
                .uid = c->peer.uid,
        };

        if (connection_is_unread(c))
                atomic_fetch_add(&w->board->abandoned, 1);
        atomic_fetch_add(&w->board->evicted, 1);
        connection_dismiss(c->fd, &reply);
        record_closing(w, &c->peer, LOWPORT_OVER_LIMIT, EAGAIN);
}

static void close_connection(struct worker *w, struct connection *c) {
        if (atomic_load(&w->slot->give_up) == c->turn)
                make_room(w, c);
        else if (c->silent)
                record_closing(w, &c->peer, LOWPORT_TIMED_OUT, 0);

        /* Where descriptors can be queued on the connection, closing it may take for ever: the
         * parent must see that this is not waiting. */
        board_enter(w->slot, WORKER_SERVING);
        connection_discard(c);
        atomic_store(&w->slot->unread, 0);
        if (c->exposed && w->slot->mode == MODE_OPEN)
                return; /* it is closed by this process's end, which does not linger for a socket */
        c->fd = close_fd(c->fd);
        atomic_store(&w->slot->exposed, 0); /* nothing is left that could hold this worker up */
}

/* Lets the parent see to it that workers are ready, and that no user has more than its share. Returns
 * false when connections of this user come faster than the parent makes room for them: this one then
 * gives way itself, which costs the least of others' time. */
static bool check_crowd(struct worker *w, uint32_t uid) {
        const struct orders *orders = &w->board->orders;
        uint32_t share = orders->workers_per_user, connections, unread;

        board_count_user(w->board, uid, &connections, &unread);
        if (connections > share) {
                atomic_store(&w->board->crowded, uid);
                atomic_store(&w->board->crowd, 1);
                nudge(w);
        }
        if (board_count(w->board, w->slot->mode, WORKER_IDLE) <
            (board_spare(orders, w->slot->mode) + 1) / 2)
                nudge(w);
        return connections <= share + orders->spare;
}

/* Returns true when this process may serve another connection. */
static bool serve_connection(struct worker *w, int fd) {
        struct connection c = { .fd = fd, .peer = { .gids = peer_gids } };
        struct wire_request wire;

        c.turn = atomic_fetch_add(&w->slot->turn, 1) + 1;
        atomic_store(&w->slot->uid, RULESET_NONE);
        board_enter(w->slot, WORKER_SERVING);
        if (peer_identify(fd, w->own_netns, &c.peer) == 0) {
                size_t size;

                atomic_store(&w->slot->uid, c.peer.uid);
                c.exposed = !c.peer.closed_to_descriptors;
                atomic_store(&w->slot->exposed, c.exposed);
                if (c.exposed)
                        leader_step_down(w->board, w->slot); /* receiving may take for ever */
                if (!check_crowd(w, c.peer.uid))
                        atomic_store(&w->slot->give_up, c.turn);
                while (atomic_load(&w->slot->give_up) != c.turn &&
                       (size = connection_receive(w, &c, &wire)) > 0 &&
                       serve_request(w, &c, &wire, size))
                        c.answered = true;
        }
        close_connection(w, &c);
        return c.peer.closed_to_descriptors && !c.exposed;
}

void worker_run(struct worker *w) {
        bool again = true;

        /* The workers do not outlive the parent; it may have died before this took hold. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != w->parent)
                _exit(EXIT_FAILURE);
        for (size_t i = 0; i < sizeof(w->not_yours) / sizeof(w->not_yours[0]); i++)
                (void)close_fd(w->not_yours[i]);
        for (size_t i = 0; i < MODES; i++)
                if (i != w->slot->mode)
                        (void)close_fd(w->listeners[i]);
        if (confinement_enter_worker(w->landlock) < 0)
                _exit(EXIT_FAILURE);
        w->reserve = fcntl(w->listener, F_DUPFD_CLOEXEC, 0);

        while (again && !connection_is_last(w)) {
                enum mode mode = (enum mode)w->slot->mode;
                int fd;

                board_enter(w->slot, WORKER_IDLE);
                if (board_count(w->board, mode, WORKER_IDLE) >
                    2 * board_spare(&w->board->orders, mode))
                        break; /* a burst is over */
                fd = accept_connection(w);
                if (fd >= 0)
                        again = serve_connection(w, fd);
        }
        leader_step_down(w->board, w->slot);
        _exit(EXIT_SUCCESS);
}
