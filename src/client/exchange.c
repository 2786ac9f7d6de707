/* SPDX-License-Identifier: MIT */
#include "client/exchange.h"

#include <errno.h>

#include "client/reply.h"
#include "common/cleanup.h"

enum {
        PATIENCE = 2000, /* milliseconds for coming again */
        PAUSE_FIRST = 5, /* between two tries, doubled from one to the next */
        PAUSE_MAX = 200,
        CLOSED_MAX = 3, /* fresh connections that the daemon may close without an answer */
};

/* Which side has none left decides: a daemon that is not there is no reason to believe that this
 * process is out of descriptors. */
static enum lowport_reason reason_of(int error) {
        switch (error) {
        case ETIMEDOUT:
                return LOWPORT_TIMED_OUT;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
                return LOWPORT_EXHAUSTED;
        case EPROTO:
                return LOWPORT_BAD_REPLY;
        default:
                return LOWPORT_UNREACHABLE;
        }
}

/* Asks once on the connection that there is. Returns 0, -ECONNRESET if the daemon closed it
 * without an answer, -EPROTO for an answer that is none, or another negative errno. */
static int ask(struct connection *connection,
               const struct wire_request *request,
               int passed,
               const struct deadline *deadline,
               struct wire_reply *ret,
               int *ret_fd) {
        struct wire_reply reply;
        _cleanup_fd_ int fd = -1;
        ssize_t n = connection_ask(connection,
                                   request,
                                   sizeof(*request),
                                   passed,
                                   &reply,
                                   sizeof(reply),
                                   deadline,
                                   &fd);

        if (n < 0)
                return n == -EBADMSG ? -EPROTO : (int)n;
        if (!reply_valid(&reply, (size_t)n, fd >= 0, request->operation))
                return -EPROTO;
        *ret = reply;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

/* What a request takes on one connection. OWN is preceded by CHECK: the daemon lets no descriptor
 * come before the policy has granted what it is for. */
static int converse(struct connection *connection,
                    const struct wire_request *request,
                    int passed,
                    const struct deadline *deadline,
                    struct wire_reply *ret,
                    int *ret_fd) {
        struct wire_request check = *request;

        if (request->operation == WIRE_OWN) {
                int r;

                check.operation = WIRE_CHECK;
                r = ask(connection, &check, -1, deadline, ret, ret_fd);
                if (r < 0 || ret->reason != LOWPORT_GRANTED)
                        return r;
        }
        return ask(connection, request, passed, deadline, ret, ret_fd);
}

/* Asks on the kept connection, if there is one and the daemon has not closed it meanwhile, as it
 * does with idle ones and when it takes a new policy; else on a fresh one. */
static int ask_connected(struct lowport *lp,
                         const struct wire_request *request,
                         int passed,
                         const struct deadline *deadline,
                         struct wire_reply *ret,
                         int *ret_fd) {
        int r = -ECONNRESET;

        if (connection_usable(&lp->connection))
                r = converse(&lp->connection, request, passed, deadline, ret, ret_fd);
        if (r == -ECONNRESET) {
                connection_close(&lp->connection);
                r = connection_open(&lp->connection, lp->path, deadline);
                if (r >= 0)
                        r = converse(&lp->connection, request, passed, deadline, ret, ret_fd);
        }
        /* After an error an answer may still be on its way, and would be taken for the next one's.
         * Over a limit, a connection that is kept would be part of the trouble. After OWN the daemon
         * closes it. */
        if (r < 0 || ret->reason == LOWPORT_OVER_LIMIT || request->operation == WIRE_OWN)
                connection_close(&lp->connection);
        return r;
}

int exchange(struct lowport *lp,
             const struct wire_request *request,
             int passed,
             const struct deadline *deadline,
             struct wire_reply *ret,
             int *ret_fd,
             enum lowport_reason *ret_reason) {
        struct deadline patience = deadline_in(PATIENCE);
        unsigned pause = PAUSE_FIRST, closed = 0;
        bool again, over_limit = false;
        int r;

        if (deadline->at < patience.at)
                patience = *deadline;
        do {
                r = ask_connected(lp, request, passed, deadline, ret, ret_fd);
                /* What the daemon has said counts more than that no time was left to ask again. */
                if (r == -ETIMEDOUT && over_limit)
                        return 0;
                over_limit = r == 0 && ret->reason == LOWPORT_OVER_LIMIT;
                again = over_limit || (r == -ECONNRESET && ++closed < CLOSED_MAX);
        } while (again && deadline_pause(&patience, &pause, PAUSE_MAX));

        if (r < 0)
                *ret_reason = reason_of(-r);
        return r;
}
