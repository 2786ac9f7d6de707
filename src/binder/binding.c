/* SPDX-License-Identifier: MIT */
#include "binder/binding.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "binder/capability.h"
#include "binder/handover.h"
#include "binder/holder.h"
#include "binder/turn.h"
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

/* The one place where the capability is used. An IPv6 socket takes an IPv4 address as a mapped one. */
static int bind_low(int fd, int domain, const struct request *request) {
        struct sockaddr_storage address;
        socklen_t length =
                address_to_sockaddr(&request->address, request->port, domain == AF_INET6, &address);
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
                                int domain,
                                const struct request *request) {
        struct handover handover = handover_start(board, slot, request->port);
        int r;

        do
                r = bind_low(fd, domain, request);
        while (r == -EADDRINUSE && handover_ended(&handover));
        return r;
}

/* ---- open mode ---- */

int binding_open(struct board *board,
                 struct slot *slot,
                 const struct request *request,
                 int *ret_fd,
                 uint64_t *ret_inode) {
        bool stream = request->protocol != IPPROTO_UDP;
        bool listens = stream && (request->flags & LOWPORT_NO_LISTEN) == 0;
        int domain = request->address.family == ADDRESS_V6 ? AF_INET6 : AF_INET;
        int type = stream ? SOCK_STREAM : SOCK_DGRAM, r;
        struct stat stat;
        _cleanup_fd_ int fd = socket(domain, type | SOCK_CLOEXEC, request->protocol);

        if (fd < 0 || fstat(fd, &stat) < 0)
                return -errno;
        r = set_options(fd, request, listens);
        if (r == 0)
                r = bind_after_handovers(board, slot, fd, domain, request);
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
        turn_end(board, slot);
}

/* ---- own mode ---- */

/* Makes a socket of ours like the client's, but without any option to share an address. FREEBIND
 * leaves it to the client's own bind to say that there is no such address. */
static int make_probe(const struct own_socket *socket_of_client, const struct request *request) {
        const struct own_socket *own = socket_of_client;
        int device = 0;
        socklen_t size = sizeof(device);
        int fd = socket(own->domain, own->type | SOCK_CLOEXEC, request->protocol);
        int r = fd < 0 ? -errno : set(fd, IPPROTO_IP, IP_FREEBIND, 1);

        if (r == 0 && own->domain == AF_INET6)
                r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, own->v6only);
        if (r == 0 && getsockopt(own->fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, &size) == 0 &&
            device != 0)
                r = set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, device);
        if (r < 0)
                (void)close_fd(fd);
        return r < 0 ? r : fd;
}

/* Finds out whether the port is free, by holding it for a moment. Where it is not, the kernel alone
 * must not decide: it lets a client share what another user left open to that. Between this and the
 * client's bind other workers wait. */
static int check_free(struct board *board,
                      struct slot *slot,
                      const struct own_socket *own,
                      const struct request *request) {
        _cleanup_fd_ int probe = make_probe(own, request);
        int r = probe < 0 ? probe : bind_after_handovers(board, slot, probe, own->domain, request);

        if (r == -EADDRINUSE && !holder_is_other(request, own->uid))
                r = 0; /* the user's own, or a TCP connection on its way out */
        return r;
}

/* Stands on 0.0.0.0 while a client's socket is bound that may have IPv6 only: the client could take
 * IPV6_V6ONLY off in the last moment, and have IPv4 as well. It comes beside whatever shares, and then
 * shares no more: with TCP by listening, with UDP by taking SO_REUSEADDR back (which costs who shares
 * there the datagrams of these microseconds). No descriptor: who holds it does not share, and is as good. */
static int stand_guard(const struct own_socket *own, const struct request *request, int *ret_fd) {
        struct request v4 = *request;
        bool tcp = request->protocol == IPPROTO_TCP;
        _cleanup_fd_ int fd = -1;
        int r;

        v4.address = (struct address){ .family = ADDRESS_V4 };
        v4.flags = 0;
        if (tcp && holder_is_other(&v4, own->uid))
                return -EADDRINUSE; /* it is about to listen, and must not meet us */
        fd = socket(AF_INET, own->type | SOCK_CLOEXEC, request->protocol);
        r = fd < 0 ? -errno : set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (r == 0)
                r = bind_low(fd, AF_INET, &v4);
        if (r == 0 && tcp)
                r = listen(fd, 0) < 0 ? -errno : 0;
        else if (r == 0)
                r = set(fd, SOL_SOCKET, SO_REUSEADDR, 0);
        if (r == -EADDRINUSE)
                return 0;
        if (r == 0) {
                *ret_fd = fd;
                fd = -1;
        }
        return r;
}

int binding_own(struct board *board,
                struct slot *slot,
                const struct request *request,
                const struct own_socket *own,
                bool guarded) {
        _cleanup_fd_ int guard = -1;
        int r = 0;

        if (!turn_take(board, slot, request))
                return -EADDRINUSE;
        atomic_store(&slot->handing, request->port);
        /* Who holds a port of another namespace is not for us to see. */
        if (own->same_netns)
                r = check_free(board, slot, own, request);
        if (r == 0 && guarded)
                r = stand_guard(own, request, &guard);
        return r < 0 ? r : bind_low(own->fd, own->domain, request);
}
