/* SPDX-License-Identifier: MIT */
#include "binder/own_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include "binder/peer.h"

static bool get(int fd, int level, int option, int *ret) {
        socklen_t size = sizeof(*ret);

        return getsockopt(fd, level, option, ret, &size) == 0;
}

int own_socket_inspect(struct own_socket *socket, uint64_t own_netns) {
        int fd = socket->fd, v6only = 0;
        struct stat stat;

        /* This comes first: of what is no socket (a file of a file system in user space) nothing
         * else may be asked. */
        if (!get(fd, SOL_SOCKET, SO_DOMAIN, &socket->domain) ||
            (socket->domain != AF_INET && socket->domain != AF_INET6))
                return UNSUITABLE_OTHER;
        if (!get(fd, SOL_SOCKET, SO_TYPE, &socket->type) ||
            !get(fd, SOL_SOCKET, SO_PROTOCOL, &socket->protocol) ||
            (socket->domain == AF_INET6 && !get(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only)) ||
            fstat(fd, &stat) < 0)
                return UNSUITABLE_OTHER;
        socket->v6only = v6only != 0;
        socket->same_netns = peer_in_netns(fd, own_netns);
        socket->uid = stat.st_uid;
        socket->inode = stat.st_ino;
        return 0;
}

static bool is_of_protocol(const struct own_socket *socket, uint8_t protocol) {
        switch (protocol) {
        case IPPROTO_TCP:
                return socket->type == SOCK_STREAM &&
                       (socket->protocol == IPPROTO_TCP || socket->protocol == IPPROTO_MPTCP);
        case IPPROTO_UDP:
                return socket->type == SOCK_DGRAM && socket->protocol == IPPROTO_UDP;
        default:
                return (socket->type == SOCK_STREAM || socket->type == SOCK_SEQPACKET) &&
                       socket->protocol == protocol;
        }
}

int own_socket_check(const struct own_socket *socket, const struct request *request) {
        if (!is_of_protocol(socket, request->protocol))
                return UNSUITABLE_PROTOCOL;
        if (socket->domain == AF_INET && request->address.family == ADDRESS_V6)
                return UNSUITABLE_FAMILY;
        return 0;
}

bool own_socket_is_bound(const struct own_socket *socket) {
        struct sockaddr_in6 name = { 0 }; /* its port lies where that of sockaddr_in does */
        socklen_t size = sizeof(name);

        return getsockname(socket->fd, (struct sockaddr *)&name, &size) == 0 && name.sin6_port != 0;
}
