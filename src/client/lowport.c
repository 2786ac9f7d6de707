/* SPDX-License-Identifier: MIT */
#include <lowport/lowport.h>

#include <errno.h>
#include <string.h>

#include "client/address_text.h"
#include "client/exchange.h"
#include "common/cleanup.h"

/* The arguments of a call, as the caller gave them. */
struct arguments {
        int protocol;
        const char *address;
        uint16_t port;
        unsigned flags;
        int backlog;
};

/* Ends a call that never reached the daemon. Returns -1, with errno. */
static int fail(struct lowport *lp, enum lowport_reason reason, int error, const char *problem) {
        handle_take_failure(lp, reason, error, problem);
        errno = error;
        return -1;
}

/* Says what is wrong with the arguments, or NULL. */
static const char *find_problem(const struct arguments *a, bool v6) {
        bool listens = a->protocol == IPPROTO_TCP || a->protocol == IPPROTO_SCTP;

        if (!listens && a->protocol != IPPROTO_UDP)
                return "the protocol is not IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP";
        if (a->port == 0)
                return "the port is 0";
        if ((a->flags & ~(unsigned)(LOWPORT_V6ONLY | LOWPORT_NO_LISTEN | LOWPORT_FREEBIND)) != 0)
                return "a flag that this release does not know";
        if ((a->flags & LOWPORT_NO_LISTEN) != 0 && !listens)
                return "LOWPORT_NO_LISTEN is not for UDP";
        if ((a->flags & LOWPORT_V6ONLY) != 0 && !v6)
                return "LOWPORT_V6ONLY is not for an IPv4 address";
        if (a->backlog < 0)
                return "the backlog is negative";
        return NULL;
}

/* Returns 0, or -1 with errno. */
static int make_request(struct lowport *lp,
                        uint16_t operation,
                        const struct arguments *a,
                        const char *text,
                        struct wire_request *ret) {
        struct address address;
        const char *problem;
        int r = address_from_text(text, &address);

        if (r < 0)
                return fail(lp,
                            LOWPORT_BAD_ARGUMENT,
                            EINVAL,
                            r == -ENODEV ? "the address names a network interface that is not there"
                                         : "the address is not an IPv4 or IPv6 address");
        problem = find_problem(a, address.family == ADDRESS_V6);
        if (problem != NULL)
                return fail(lp, LOWPORT_BAD_ARGUMENT, EINVAL, problem);

        *ret = (struct wire_request){
                .version = WIRE_VERSION,
                .operation = operation,
                .protocol = (uint8_t)a->protocol,
                .family = address.family,
                .port = a->port,
                .flags = a->flags,
                .backlog = a->protocol == IPPROTO_UDP ? 0 : (uint32_t)a->backlog,
                .scope = address.scope,
        };
        memcpy(ret->address, address.bytes, sizeof(ret->address));
        return 0;
}

/* Returns 0 if it was granted, or -1 with errno. */
static int ask(struct lowport *lp,
               const struct wire_request *request,
               const struct deadline *deadline,
               struct wire_reply *ret,
               int *ret_fd) {
        enum lowport_reason reason;
        int r = exchange(lp, request, -1, deadline, ret, ret_fd, &reason);

        if (r < 0)
                return fail(lp, reason, -r, NULL);
        handle_take_reply(lp, request, ret);
        if (ret->reason == LOWPORT_GRANTED)
                return 0;
        errno = ret->error;
        return -1;
}

/* True if this refusal says that the daemon's host has no IPv6. */
static bool lacks_v6(const struct wire_reply *reply) {
        return reply->error == EAFNOSUPPORT || reply->error == EADDRNOTAVAIL;
}

/* OPEN or CHECK, on the address that is given, or on the widest one that works. */
static int ask_for_socket(struct lowport *lp,
                          uint16_t operation,
                          const struct arguments *arguments,
                          int *ret_fd) {
        struct deadline deadline = deadline_in(lp->timeout);
        bool any = arguments->address == NULL;
        struct wire_reply reply = { 0 };
        struct wire_request request;

        handle_reset(lp);
        if (make_request(lp, operation, arguments, any ? "::" : arguments->address, &request) < 0)
                return -1;
        if (ask(lp, &request, &deadline, &reply, ret_fd) == 0)
                return 0;
        if (!any || (arguments->flags & LOWPORT_V6ONLY) != 0 || !lacks_v6(&reply))
                return -1;

        handle_reset(lp);
        if (make_request(lp, operation, arguments, "0.0.0.0", &request) < 0)
                return -1;
        return ask(lp, &request, &deadline, &reply, ret_fd);
}

/* The same with a handle for this one call where the caller has none. */
static int
call(struct lowport *lp, uint16_t operation, const struct arguments *arguments, int *ret_fd) {
        struct lowport once;
        int r;

        if (lp != NULL)
                return ask_for_socket(lp, operation, arguments, ret_fd);
        r = handle_init(&once, NULL);
        if (r < 0) {
                errno = -r;
                return -1;
        }
        r = ask_for_socket(&once, operation, arguments, ret_fd);
        handle_done(&once);
        return r;
}

int lowport_open(struct lowport *lp,
                 int protocol,
                 const char *address,
                 uint16_t port,
                 unsigned flags,
                 int backlog) {
        struct arguments arguments = { protocol, address, port, flags, backlog };
        int fd = -1;

        return call(lp, WIRE_OPEN, &arguments, &fd) < 0 ? -1 : fd;
}

int lowport_check(struct lowport *lp,
                  int protocol,
                  const char *address,
                  uint16_t port,
                  unsigned flags) {
        struct arguments arguments = { protocol, address, port, flags, 0 };
        int fd = -1;

        return call(lp, WIRE_CHECK, &arguments, &fd);
}

_Static_assert(sizeof(struct lowport_status) == sizeof(struct wire_status),
               "the library shows what the wire carries");

static int ask_for_status(struct lowport *lp, struct lowport_status *ret, size_t size) {
        struct wire_request request = { .version = WIRE_VERSION, .operation = WIRE_STATUS };
        struct deadline deadline = deadline_in(lp->timeout);
        struct wire_reply reply = { 0 };
        int fd = -1;

        handle_reset(lp);
        if (ask(lp, &request, &deadline, &reply, &fd) < 0)
                return -1;
        memset(ret, 0, size);
        memcpy(ret, &reply.status, size < sizeof(reply.status) ? size : sizeof(reply.status));
        return 0;
}

int lowport_status(struct lowport *lp, struct lowport_status *ret, size_t size) {
        struct lowport once;
        int r;

        if (lp != NULL)
                return ask_for_status(lp, ret, size);
        r = handle_init(&once, NULL);
        if (r < 0) {
                errno = -r;
                return -1;
        }
        r = ask_for_status(&once, ret, size);
        handle_done(&once);
        return r;
}
