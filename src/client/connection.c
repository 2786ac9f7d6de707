/* SPDX-License-Identifier: MIT */
#include "client/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"

/* On a full queue connect(2) of a Unix socket waits as long as SO_SNDTIMEO says; poll(2) cannot
 * wait for it. */
static int set_connect_timeout(int fd, int milliseconds) {
        struct timeval timeout = {
                .tv_sec = milliseconds / 1000,
                .tv_usec = (suseconds_t)(milliseconds % 1000) * 1000,
        };

        return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}

static int
connect_until(int fd, const struct sockaddr_un *address, const struct deadline *deadline) {
        int left, r;

        do {
                left = deadline_left(deadline);
                if (left == 0)
                        return -ETIMEDOUT;
                r = set_connect_timeout(fd, left);
                if (r < 0)
                        return r;
                r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno
                                                                                        : 0;
        } while (r == -EINTR);
        return r == -EAGAIN ? -ETIMEDOUT : r;
}

int connection_open(struct connection *connection,
                    const char *path,
                    const struct deadline *deadline) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -1;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = connect_until(fd, &address, deadline);
        if (r < 0)
                return r;
        connection->pid = getpid();
        connection->fd = fd;
        fd = -1;
        return 0;
}

void connection_close(struct connection *connection) {
        connection->fd = close_fd(connection->fd);
}

bool connection_usable(const struct connection *connection) {
        return connection->fd >= 0 && connection->pid == getpid();
}

/* Waits for `events`, or for the end of the connection. Returns 0 or a negative errno. */
static int wait_for(int fd, short events, const struct deadline *deadline) {
        struct pollfd pollfd = { .fd = fd, .events = events };

        for (;;) {
                int left = deadline_left(deadline);
                int n = poll(&pollfd, 1, left);

                if (n > 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (left == 0)
                        return -ETIMEDOUT;
        }
}

static int
send_until(int fd, const void *data, size_t size, int passed, const struct deadline *deadline) {
        for (;;) {
                int r = fdpass_send(fd, data, size, passed);

                if (r == -EAGAIN)
                        r = wait_for(fd, POLLOUT, deadline);
                else if (r != -EINTR)
                        return r;
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

static ssize_t
receive_until(int fd, void *data, size_t size, const struct deadline *deadline, int *ret_fd) {
        for (;;) {
                int r = wait_for(fd, POLLIN, deadline);
                ssize_t n;

                if (r < 0)
                        return r;
                n = fdpass_receive(fd, data, size, MSG_DONTWAIT, ret_fd);
                if (n != -EAGAIN && n != -EINTR)
                        return n;
        }
}

/* The kernel says MSG_CTRUNC both for a descriptor too many and where this process has no room for
 * one. */
static bool out_of_descriptors(int fd) {
        _cleanup_fd_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        return copy < 0 && errno == EMFILE;
}

ssize_t connection_ask(const struct connection *connection,
                       const void *request,
                       size_t request_size,
                       int passed,
                       void *reply,
                       size_t reply_size,
                       const struct deadline *deadline,
                       int *ret_fd) {
        int fd = connection->fd;
        ssize_t n;
        int r = send_until(fd, request, request_size, passed, deadline);

        /* A daemon that closes a connection may have said why: that is still to be read. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                return r;
        n = receive_until(fd, reply, reply_size, deadline, ret_fd);
        if (n == -EBADMSG && out_of_descriptors(fd))
                return -EMFILE;
        return n == 0 ? -ECONNRESET : n;
}
