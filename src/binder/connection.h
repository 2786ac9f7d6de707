/* SPDX-License-Identifier: MIT */
#pragma once

/* The connection that a worker serves: waiting for its client, within deadlines, and reading what
 * comes. */

#include "binder/peer.h"
#include "binder/worker.h"

struct connection {
        int fd;
        struct peer peer;
        uint32_t turn;
        bool answered; /* the first request was */
        bool granted;  /* a socket was sent on it, and may not be read yet */
        bool silent;   /* no request came in time */
        bool admitted; /* its client may send a socket, as far as the limits go */
        bool exposed;  /* descriptors can arrive, so that reading or closing may take for ever */
        bool peeked;   /* the request in hand is still queued, with what came with it */
};

/* Waits for the next request. Returns the size of the datagram, 0 when there will be none. In own
 * mode it stays queued, for connection_take(). A descriptor that comes with it is not taken. */
size_t connection_receive(struct worker *w, struct connection *c, struct wire_request *ret);

/* Takes the request in hand off the queue, and with it the one descriptor that came, or -1. It may
 * take for ever. Returns 0, -EBADMSG when more than one came, or another negative errno. */
int connection_take(struct connection *c, int *ret_fd);

/* Takes the request in hand off the queue if it is still there, and drops what came with it. To be
 * called once it has been answered: it may take for ever, and a connection that is closed with
 * requests unread takes the answer with it. */
void connection_discard(struct connection *c);

/* True while the client has not read the reply with a descriptor that was sent to it. */
bool connection_is_unread(const struct connection *c);

/* The parent has asked for the worker's end, as soon as the request in hand is answered. */
bool connection_is_last(const struct worker *w);

/* Says a last word. Closing a connection with requests unread would make the client's next call
 * fail with ECONNRESET, and the word go unheard. */
void connection_dismiss(int fd, const struct wire_reply *reply);
