/* SPDX-License-Identifier: MIT */
#include "client/own.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "client/exchange.h"
#include "common/endpoint.h"

/* The kernel takes an address without the zone as well (RFC 2133). */
enum { SOCKADDR_IN6_MIN = offsetof(struct sockaddr_in6, sin6_scope_id) };

static int get(int fd, int level, int option, int *ret) {
        socklen_t size = sizeof(*ret);

        return getsockopt(fd, level, option, ret, &size) < 0 ? -errno : 0;
}

/* Reads an address as bind(2) does, whatever lies behind it. Returns 0, or -EAFNOSUPPORT. */
static int read_address(const struct sockaddr *from, socklen_t length, struct wire_request *ret) {
        struct sockaddr_in in = { 0 };
        struct sockaddr_in6 in6 = { 0 };

        if (length < sizeof(in))
                return -EAFNOSUPPORT;
        if (from->sa_family == AF_INET6 && length >= SOCKADDR_IN6_MIN) {
                memcpy(&in6, from, length < sizeof(in6) ? length : sizeof(in6));
                ret->family = ADDRESS_V6;
                ret->port = ntohs(in6.sin6_port);
                ret->scope = IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) ? in6.sin6_scope_id : 0;
                memcpy(ret->address, &in6.sin6_addr, sizeof(in6.sin6_addr));
                return 0;
        }
        memcpy(&in, from, sizeof(in));
        /* ip(7) does not say it, but AF_UNSPEC with 0.0.0.0 is taken for AF_INET. */
        if (in.sin_family != AF_INET && (in.sin_family != AF_UNSPEC || in.sin_addr.s_addr != 0))
                return -EAFNOSUPPORT;
        ret->family = ADDRESS_V4;
        ret->port = ntohs(in.sin_port);
        memcpy(ret->address, &in.sin_addr, sizeof(in.sin_addr));
        return 0;
}

bool own_port(const struct sockaddr *address, socklen_t length, uint16_t *ret_port) {
        struct wire_request request = { 0 };

        if (read_address(address, length, &request) < 0)
                return false;
        *ret_port = request.port;
        return true;
}

bool own_may_help(int error, const struct sockaddr *address, socklen_t length) {
        uint16_t port = 0;

        return error == EACCES && own_port(address, length, &port) && port != 0;
}

/* Writes down what is to be bound. Returns 0 or a negative errno. */
static int
make_request(int fd, const struct sockaddr *address, socklen_t length, struct wire_request *ret) {
        int protocol, v6only = 0, r;

        *ret = (struct wire_request){ .version = WIRE_VERSION, .operation = WIRE_OWN };
        r = get(fd, SOL_SOCKET, SO_PROTOCOL, &protocol);
        if (r == 0)
                r = read_address(address, length, ret);
        if (r == 0 && ret->family == ADDRESS_V6)
                r = get(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only);
        if (r < 0)
                return r;
        if (protocol == IPPROTO_MPTCP)
                protocol = IPPROTO_TCP;
        if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP)
                return -EPROTONOSUPPORT;
        ret->protocol = (uint8_t)protocol;
        ret->flags = v6only != 0 ? LOWPORT_V6ONLY : 0;
        return 0;
}

void own_describe(int fd,
                  const struct sockaddr *address,
                  socklen_t length,
                  char *ret,
                  size_t size) {
        struct wire_request request;
        struct address where;
        bool v6only;

        if (make_request(fd, address, length, &request) < 0) {
                (void)snprintf(ret, size, "?");
                return;
        }
        where = (struct address){ .family = request.family, .scope = request.scope };
        memcpy(where.bytes, request.address, sizeof(where.bytes));
        v6only = (request.flags & LOWPORT_V6ONLY) != 0;
        endpoint_format(request.protocol, &where, request.port, v6only, ret, size);
}

uint16_t own_bound_port(int fd) {
        struct sockaddr_storage address = { 0 };
        socklen_t length = sizeof(address);
        uint16_t port = 0;

        if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
            !own_port((const struct sockaddr *)&address, length, &port))
                return 0;
        return port;
}

static int fail(struct lowport *lp, enum lowport_reason reason, int error, const char *problem) {
        handle_take_failure(lp, reason, error, problem);
        errno = error;
        return -1;
}

int own_bind(struct lowport *lp, int fd, const struct sockaddr *address, socklen_t length) {
        struct deadline deadline = deadline_in(lp->timeout);
        enum lowport_reason reason = LOWPORT_GRANTED;
        struct wire_request request;
        struct wire_reply reply = { 0 };
        int none = -1, r;

        handle_reset(lp);
        r = make_request(fd, address, length, &request);
        if (r < 0)
                return fail(lp,
                            LOWPORT_BAD_ARGUMENT,
                            -r,
                            "not a TCP, UDP or SCTP socket, or not an IP address");
        r = exchange(lp, &request, fd, &deadline, &reply, &none, &reason);
        if (r == 0)
                handle_take_reply(lp, &request, &reply);
        if (r == 0 && reply.reason == LOWPORT_GRANTED)
                return 0;
        /* A daemon that dies after the bind cannot say so any more, but the socket does. */
        if (own_bound_port(fd) == request.port) {
                handle_reset(lp);
                return 0;
        }
        if (r < 0)
                return fail(lp, reason, -r, NULL);
        errno = reply.error;
        return -1;
}

/* These say why the socket is not bound. Any other reason says only that the daemon was of no help,
 * and leaves bind(2)'s own error standing. */
static bool is_an_answer(unsigned reason) {
        static const enum lowport_reason answers[] = {
                LOWPORT_RULE_DENIES,
                LOWPORT_NO_RULE,
                LOWPORT_ADDRESS_IN_USE,
                LOWPORT_OTHER_NETNS,
                LOWPORT_ADDRESS_NOT_AVAILABLE,
                LOWPORT_UNSUITABLE_SOCKET,
                LOWPORT_OVER_LIMIT,
                LOWPORT_UNMAPPED_USER,
                LOWPORT_EXHAUSTED,
                LOWPORT_BIND_FAILED,
        };

        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
                if (answers[i] == reason)
                        return true;
        return false;
}

static int ask_or_keep(struct lowport *lp,
                       const char *path,
                       int fd,
                       const struct sockaddr *address,
                       socklen_t length) {
        int r = handle_init_own(lp, path);

        if (r < 0) {
                *lp = (struct lowport){ .connection = CONNECTION_NONE };
                (void)fail(lp,
                           LOWPORT_BAD_ARGUMENT,
                           -r,
                           "the path of the daemon's socket is too long");
                return -EACCES;
        }
        /* bind(2) looks for the privilege first, but this is what it says to who has it. */
        if (own_bound_port(fd) != 0) {
                (void)fail(lp, LOWPORT_BAD_ARGUMENT, EINVAL, "the socket is bound already");
                return -EINVAL;
        }
        r = own_bind(lp, fd, address, length) < 0 ? -errno : 0;
        handle_done(lp);
        return r < 0 && !is_an_answer(lp->reason) ? -EACCES : r;
}

int own_bind_or_keep(struct lowport *lp,
                     const char *path,
                     int fd,
                     const struct sockaddr *address,
                     socklen_t length) {
        int before = PTHREAD_CANCEL_ENABLE, r;

        /* bind(2) is no cancellation point, but connect(2), poll(2) and close(2) are: a thread that
         * ended in one of these would leave the connection open. */
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        r = ask_or_keep(lp, path, fd, address, length);
        (void)pthread_setcancelstate(before, NULL);
        return r;
}

int lowport_bind(int fd, const struct sockaddr *addr, socklen_t addrlen) {
        struct lowport lp;
        int before = errno, r;

        if (bind(fd, addr, addrlen) == 0)
                return 0;
        if (!own_may_help(errno, addr, addrlen))
                return -1; /* with bind's errno */
        r = own_bind_or_keep(&lp, NULL, fd, addr, addrlen);
        errno = r == 0 ? before : -r;
        return r == 0 ? 0 : -1;
}
