/* SPDX-License-Identifier: MIT */
#include "lowportd/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lowport/lowport.h>

#include "common/cleanup.h"
#include "lowportd/log.h"
#include "lowportd/service.h"

/* The directory of the usual place is ours to make; with another the administrator has a plan. */
#define USUAL_DIRECTORY "/run/lowport"

static bool is_seqpacket_listener(int fd) {
        int domain = 0, type = 0, listening = 0;
        socklen_t size = sizeof(int);

        return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
               getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
               getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

/* Returns 1 with a passed socket, 0 when there is none, or a negative errno. A single socket
 * without a name is taken for the open one: not every service manager gives names. */
static int take_passed(struct listener *ret) {
        char **names = NULL;
        int base, n = service_take_sockets(&base, &names);

        if (n <= 0) {
                if (n < 0)
                        log_error("cannot take the sockets that were passed: %s", strerror(-n));
                return n;
        }
        for (int i = 0; i < n; i++) {
                const char *name = names != NULL ? names[i] : NULL;
                bool unnamed = name == NULL || *name == '\0' || strcmp(name, "unknown") == 0;

                if (unnamed ? n > 1 : strcmp(name, "open") != 0) {
                        log_error("a socket named '%s' was passed; expected one named 'open' "
                                  "(FileDescriptorName=open in the .socket unit)",
                                  unnamed ? "" : name);
                        return -EINVAL;
                }
                if (ret->fd >= 0 || !is_seqpacket_listener(base + i)) {
                        log_error("the socket passed as 'open' is not one listening Unix socket of "
                                  "type SOCK_SEQPACKET (ListenSequentialPacket= in the .socket "
                                  "unit)");
                        return -EINVAL;
                }
                ret->fd = base + i;
        }
        for (int i = 0; names != NULL && i < n; i++)
                free(names[i]);
        free((void *)names);

        /* A worker waits in accept(2). */
        if (fcntl(ret->fd, F_SETFL, fcntl(ret->fd, F_GETFL) & ~O_NONBLOCK) < 0)
                return -errno;
        return 1;
}

/* True when somebody listens there. */
static bool is_alive(const struct sockaddr_un *address) {
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
                           errno != ECONNREFUSED);
}

/* A file that is in the way stays: a mistyped --socket must not cost it. */
static bool is_socket(const char *path) {
        struct stat stat;

        return lstat(path, &stat) == 0 && S_ISSOCK(stat.st_mode);
}

static int bind_at(int fd, const struct sockaddr_un *address) {
        return bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

/* Everybody may connect (that is what the policy is for), so the socket has mode 0666. */
static int make(const char *path, struct listener *ret) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        int r;

        if (strlen(path) >= sizeof(address.sun_path)) {
                log_error("%s: the path is too long for a socket: at most %zu bytes",
                          path,
                          sizeof(address.sun_path) - 1);
                return -ENAMETOOLONG;
        }
        memcpy(address.sun_path, path, strlen(path) + 1);
        if (fd < 0)
                return -errno;

        r = bind_at(fd, &address);
        if (r == -EADDRINUSE && is_socket(path) && !is_alive(&address) && unlink(path) == 0)
                r = bind_at(fd, &address); /* a daemon that was killed has left it */
        if (r == -EADDRINUSE)
                log_error("%s: another lowportd listens there; give this one a --socket of its own",
                          path);
        else if (r == -ENOENT || r == -EACCES)
                log_error("%s: cannot make the socket: %s; make its directory first, for example "
                          "with install -d -o lowport " USUAL_DIRECTORY,
                          path,
                          strerror(-r));
        else if (r < 0)
                log_error("%s: cannot make the socket: %s", path, strerror(-r));
        if (r < 0)
                return r;

        ret->path = strdup(path);
        if (ret->path == NULL || chmod(path, 0666) < 0)
                return -errno;
        ret->fd = fd;
        fd = -1;
        return 0;
}

int listener_open(const char *path, struct listener *ret) {
        int r;

        *ret = (struct listener){ .fd = -1 };
        r = take_passed(ret);
        if (r != 0)
                return r < 0 ? r : 0;
        if (path == NULL) {
                path = LOWPORT_SOCKET_PATH;
                if (geteuid() == 0)
                        (void)mkdir(USUAL_DIRECTORY, 0755); /* bind says what came of it */
        }
        return make(path, ret);
}

void listener_close(struct listener *listener) {
        listener->fd = close_fd(listener->fd);
}

void listener_remove(struct listener *listener) {
        if (listener->path != NULL)
                (void)unlink(listener->path);
        free(listener->path);
        listener->path = NULL;
}
