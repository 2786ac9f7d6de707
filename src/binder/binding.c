/* SPDX-License-Identifier: MIT */
#include "binder/binding.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "binder/capability.h"
#include "binder/handover.h"
#include "common/cleanup.h"

static int set(int fd, int level, int option, int value) {
        return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* SO_REUSEADDR lets a server restart over TIME_WAIT. It is safe only on a socket that listens at
 * once: two bound ones would both be let in and the first to listen would win. On UDP it would let
 * the second holder take all the traffic. */
static int set_options(int fd, const struct request *request, bool listens) {
        bool v6 = request->address.family == ADDRESS_V6;
        int r = 0;

        if (listens)
                r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (r == 0 && v6)
                r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, (request->flags & LOWPORT_V6ONLY) != 0);
        if (r == 0 && (request->flags & LOWPORT_FREEBIND) != 0)
                r = v6 ? set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1)
                       : set(fd, IPPROTO_IP, IP_FREEBIND, 1);
        return r;
}

/* The one place where the capability is used. */
static int bind_low(int fd, const struct request *request) {
        struct sockaddr_storage address;
        socklen_t length = address_to_sockaddr(&request->address, request->port, &address);
        int r;

        capability_raise();
        r = bind(fd, (const struct sockaddr *)&address, length) < 0 ? -errno : 0;
        capability_lower();
        return r;
}

/* Our own copy of a socket outlives, for a moment, the client's: a client that closed it and asks
 * again finds the port taken by nobody but us. */
static int bind_after_handovers(struct board *board,
                                const struct slot *slot,
                                int fd,
                                const struct request *request) {
        struct handover handover = handover_start(board, slot, request->port);
        int r;

        do
                r = bind_low(fd, request);
        while (r == -EADDRINUSE && handover_ended(&handover));
        return r;
}

int binding_open(struct board *board,
                 struct slot *slot,
                 const struct request *request,
                 int *ret_fd,
                 uint64_t *ret_inode) {
        bool stream = request->protocol != IPPROTO_UDP;
        bool listens = stream && (request->flags & LOWPORT_NO_LISTEN) == 0;
        struct stat stat;
        _cleanup_fd_ int fd = socket(request->address.family == ADDRESS_V6 ? AF_INET6 : AF_INET,
                                     (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC,
                                     request->protocol);
        int r;

        if (fd < 0 || fstat(fd, &stat) < 0)
                return -errno;
        r = set_options(fd, request, listens);
        if (r == 0)
                r = bind_after_handovers(board, slot, fd, request);
        if (r == 0 && listens && listen(fd, request->backlog) < 0)
                r = -errno;
        if (r < 0)
                return r;

        atomic_store(&slot->handing, request->port);
        *ret_inode = stat.st_ino;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

void binding_hand_over(struct board *board, struct slot *slot, int fd) {
        (void)close_fd(fd);
        handover_end(board, slot);
}
