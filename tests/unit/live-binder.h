/* SPDX-License-Identifier: MIT */
#pragma once

/* lowport-binder as a process of its own, without the capability: what lowportd is to it, the test
 * is. Its rules grant high ports. */

#include "policy-fixture.h"

#include <stdatomic.h>
#include <sys/types.h>

#include "binder/board.h"
#include "common/orders.h"
#include "common/record.h"
#include "common/wire.h"
#include "daemon-fixture.h"

/* Calls of the binder that are to fail, with this errno, once or (`always`) until it is 0 again. */
struct live_fault {
        _Atomic int error;
        bool always;
};

struct live_faults {
        struct live_fault accept, fork, socket, birth;
        _Atomic uint32_t births; /* of workers */
};

struct live {
        pid_t pid; /* 0: none runs */
        int control, records;
        bool serves_own;            /* set by the test before the start */
        struct board *board;        /* the binder's own */
        struct live_faults *faults; /* all zero */
        char directory[64], path[80], own_path[80];
        uint16_t port; /* a free one; so are, as good as surely, the next few */
};

extern struct live live;

/* What most tests are content with: 4 workers, 2 of them spare, and no deadline that they meet. */
struct orders live_orders(void);

/* A sealed rule set, from the text of a policy. */
int live_rules(const char *policy);

/* The setup of a test. */
int live_reset(void **state);

/* Starts the binder and closes `rules`. Returns its first report. */
struct report live_start(const struct orders *orders, int rules);

/* The same when it is not to be started in order: the first datagram is the test's. */
void live_launch(const struct orders *orders);
void live_order(const void *orders, size_t size, int rules);

struct report live_report(void);

/* The next record; fails the test when none comes. */
struct record live_record(void);

/* Reads until the end of the records, when no process of the binder lives any more; then returns
 * the status that the binder exited with, or 128 and the signal. */
int live_wait_for_end(void);

/* The teardown of a test: closes the control socket, and expects all to end well. */
int live_stop(void **state);

/* ---- the client's side ---- */

int live_connect(void);
int live_connect_own(void);

/* An OPEN request for TCP 127.0.0.1:port. */
struct wire_request live_request(uint16_t port);

struct live_answer {
        ssize_t size; /* 0: the connection was closed */
        struct wire_reply reply;
        int fd; /* the socket that came with it, or -1 */
};

void live_say(int connection, const void *data, size_t size);
struct live_answer live_hear(int connection);

/* Both, for a whole request. */
struct live_answer live_ask(int connection, const struct wire_request *request);

/* Expects the connection to be closed by the binder. */
void live_expect_end(int connection);
