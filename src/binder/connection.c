/* SPDX-License-Identifier: MIT */
#include "binder/connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "binder/leader.h"
#include "common/cleanup.h"
#include "common/fdpass.h"

/* A grant that has not been taken for so long counts as unread; milliseconds. */
enum { UNREAD_AFTER = 1000 };

/* Requests that are read before a connection is closed, so that its client hears why. */
enum { READ_AT_LAST = 4 };

bool connection_is_last(const struct worker *w) {
        return atomic_load(&w->slot->leave) != 0;
}

static int unread_bytes(const struct connection *c) {
        int bytes = 0;

        return ioctl(c->fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/* The descriptor of a reply that is not read stays charged to our uid, also after close(2). So a
 * connection is kept until its grant was taken, however long that is. */
bool connection_is_unread(const struct connection *c) {
        return c->granted && unread_bytes(c) > 0;
}

/* What the parent wishes of a worker that waits: another client needs its place, or new rules are
 * in force. A client that has not had its first answer yet gets it by the rules it came under. */
static bool asked_to_close(const struct worker *w, const struct connection *c) {
        return atomic_load(&w->slot->give_up) == c->turn || (connection_is_last(w) && c->answered);
}

/* A client that asks again before it has read the last answer is in no hurry. It waits a moment, or
 * many connections of one user would keep so many workers busy without a pause, and others would have
 * to share the CPU with them. */
static void hold_back(const struct worker *w, struct connection *c) {
        static const struct timespec pause = { .tv_nsec = 10000000 };

        if (!c->answered)
                return;
        if (unread_bytes(c) == 0) {
                c->granted = false; /* it has it: nobody need ask again */
                atomic_store(&w->slot->unread, 0);
                return;
        }
        if (leader_is(w->board, w->slot))
                leader_step_down(w->board, w->slot);
        (void)nanosleep(&pause, NULL); /* or until the parent's signal */
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

        /* Also when this client has sent something, for it may always have; but not when it has gone,
         * since then the next one's turn is now. */
        if (n > 0 && pollers[1].revents != 0 && (pollers[0].revents & POLLHUP) == 0)
                leader_step_down(w->board, w->slot);
        if (n > 0 && pollers[0].revents == 0)
                return -EINTR; /* the deadline is nearer, and this client may be to make room */
        if (n > 0)
                return (pollers[0].revents & POLLHUP) != 0 ? -ECONNRESET : 1;
        return n < 0 ? -errno : 0;
}

/* A client that may send a descriptor has nothing more to think about. */
static uint64_t deadline_of(const struct worker *w, const struct connection *c) {
        const struct orders *orders = &w->board->orders;
        bool soon = !c->answered || c->exposed;

        return board_now() + (soon ? orders->request_timeout : orders->idle_timeout);
}

/* False: the connection is to be closed. */
static bool wait_for_request(struct worker *w, struct connection *c) {
        uint64_t until = deadline_of(w, c);

        board_enter(w->slot, c->answered ? WORKER_NEXT : WORKER_FIRST);
        while (!asked_to_close(w, c)) {
                uint64_t now = board_now();
                uint64_t left = now < until ? until - now : 0;
                int n = wait_for_client(w, c, c->granted ? UNREAD_AFTER : left);

                if (n == -EINTR)
                        continue;
                if (n > 0)
                        hold_back(w, c);
                if (n != 0)
                        return n > 0 && !asked_to_close(w, c);
                if (!c->granted) {
                        atomic_fetch_add(&w->board->timed_out, 1);
                        c->silent = !c->answered;
                        return false; /* the deadline */
                }
                c->granted = connection_is_unread(c);
                atomic_store(&w->slot->unread, c->granted);
        }
        return false;
}

/* Without a control buffer the kernel drops a descriptor that comes along, which may take for ever;
 * so in own mode, where one belongs, a datagram is only looked at. In open mode one that has some, before
 * Linux 6.16, ends the connection. */
static ssize_t
read_request(const struct worker *w, const struct connection *c, struct wire_request *ret) {
        int peek = w->slot->mode == MODE_OWN ? MSG_PEEK : 0;

        if (peek == 0 && c->exposed && fdpass_brings_descriptors(c->fd))
                return 0;
        return fdpass_receive(c->fd, ret, sizeof(*ret), MSG_DONTWAIT | peek, NULL);
}

void connection_discard(struct connection *c) {
        char byte;

        if (c->peeked)
                (void)fdpass_receive(c->fd, &byte, sizeof(byte), MSG_DONTWAIT, NULL);
        c->peeked = false;
}

size_t connection_receive(struct worker *w, struct connection *c, struct wire_request *ret) {
        ssize_t n = -EAGAIN;

        connection_discard(c);
        if (!c->answered)
                n = read_request(w, c, ret);
        if (n == -EAGAIN && wait_for_request(w, c))
                n = read_request(w, c, ret);
        board_enter(w->slot, WORKER_SERVING);
        c->peeked = n > 0 && w->slot->mode == MODE_OWN;
        return n > 0 ? (size_t)n : 0;
}

int connection_take(struct connection *c, int *ret_fd) {
        char byte;
        ssize_t n = fdpass_receive(c->fd, &byte, sizeof(byte), MSG_DONTWAIT, ret_fd);

        c->peeked = false;
        return n < 0 ? (int)n : 0;
}

void connection_dismiss(int fd, const struct wire_reply *reply) {
        char byte;

        (void)fdpass_send(fd, reply, sizeof(*reply), -1);
        (void)shutdown(fd, SHUT_RD);
        for (int i = 0; i < READ_AT_LAST && !fdpass_brings_descriptors(fd); i++)
                if (fdpass_receive(fd, &byte, sizeof(byte), MSG_DONTWAIT, NULL) <= 0)
                        break;
}
