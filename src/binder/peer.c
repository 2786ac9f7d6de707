/* SPDX-License-Identifier: MIT */
#include "binder/peer.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static int get(int socket, int option, void *value, socklen_t *size) {
        return getsockopt(socket, SOL_SOCKET, option, value, size) < 0 ? -errno : 0;
}

/* unix(7), SO_PEERCRED: whoever called connect(2), also after the connection was handed on. */
static int identify_process(int connection, struct peer *peer) {
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        int r = get(connection, SO_PEERCRED, &credentials, &size);

        if (r < 0)
                return r;
        peer->pid = credentials.pid;
        peer->uid = credentials.uid;
        peer->gid = credentials.gid;
        return 0;
}

/* SO_PEERGROUPS: the supplementary groups at connect(2); the effective one need not be there. */
static int identify_groups(int connection, struct peer *peer) {
        socklen_t size = (PEER_GIDS_MAX - 1) * sizeof(*peer->gids);
        int r = get(connection, SO_PEERGROUPS, peer->gids, &size);

        if (r < 0)
                return r;
        peer->n_gids = size / sizeof(*peer->gids);
        peer->gids[peer->n_gids++] = peer->gid;
        return 0;
}

/* The cookie of a Unix connection is the network namespace of whoever called connect(2). No answer
 * counts as another namespace. */
bool peer_in_netns(int connection, uint64_t netns) {
        uint64_t cookie;
        socklen_t size = sizeof(cookie);

        return get(connection, SO_NETNS_COOKIE, &cookie, &size) == 0 && cookie == netns;
}

/* The option is inherited from the listener, at connect(2). So a connection made before the
 * listener was closed to descriptors tells the truth here as well. */
static bool refuses_descriptors(int connection) {
        int pass = 1;
        socklen_t size = sizeof(pass);

        return get(connection, SO_PASSRIGHTS, &pass, &size) == 0 && pass == 0;
}

int peer_own_netns(uint64_t *ret_cookie) {
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(*ret_cookie);

        return fd < 0 ? -errno : get(fd, SO_NETNS_COOKIE, ret_cookie, &size);
}

int peer_refuse_descriptors(int listener) {
        static const int off = 0;

        return setsockopt(listener, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0 ? -errno : 0;
}

/* Where the kernel does not know the option they arrive anyway. */
void peer_accept_descriptors(int connection) {
        static const int on = 1;

        (void)setsockopt(connection, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
}

int peer_identify(int connection, uint64_t own_netns, struct peer *peer) {
        int r = identify_process(connection, peer);

        if (r == 0)
                r = identify_groups(connection, peer);
        if (r < 0)
                return r;
        peer->same_netns = peer_in_netns(connection, own_netns);
        peer->closed_to_descriptors = refuses_descriptors(connection);
        return 0;
}

/* A process that has been reaped has no pidfd to give: EINVAL at first, ESRCH since Linux 6.9;
 * since 6.16 it has one, to which no signal can be sent. */
int peer_open_process(int connection, int *ret_pidfd) {
        _cleanup_fd_ int fd = -1;
        socklen_t size = sizeof(fd);
        int r = get(connection, SO_PEERPIDFD, &fd, &size);

        if (r < 0)
                return r == -EINVAL ? -ESRCH : r;
        if (syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) < 0 && errno == ESRCH)
                return -ESRCH;
        *ret_pidfd = fd;
        fd = -1;
        return 0;
}
