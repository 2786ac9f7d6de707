/* SPDX-License-Identifier: MIT */
#include "lowportd/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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

/* Whose members may use the own mode. */
#define OWN_GROUP "lowport"

static bool is_seqpacket_listener(int fd) {
        int domain = 0, type = 0, listening = 0;
        socklen_t size = sizeof(int);

        return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
               getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
               getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

/* Where a passed socket of this name belongs; NULL: nowhere. A single one without a name is taken for
 * the open one: not every service manager gives names. */
static struct listener *find_place(struct listeners *listeners, const char *name, bool single) {
        if (name == NULL || *name == '\0' || strcmp(name, "unknown") == 0)
                return single ? &listeners->open : NULL;
        if (strcmp(name, "open") == 0)
                return &listeners->open;
        return strcmp(name, "own") == 0 ? &listeners->own : NULL;
}

static int place_passed(struct listeners *listeners, int fd, const char *name, bool single) {
        struct listener *place = find_place(listeners, name, single);

        if (place == NULL) {
                log_error("a socket named '%s' was passed; expected one named 'open' and one named "
                          "'own', or either (FileDescriptorName= in the .socket unit)",
                          name != NULL ? name : "");
                return -EINVAL;
        }
        if (place->fd >= 0 || !is_seqpacket_listener(fd)) {
                log_error("the socket passed as '%s' is not one listening Unix socket of type "
                          "SOCK_SEQPACKET (ListenSequentialPacket= in the .socket unit)",
                          place == &listeners->own ? "own" : "open");
                return -EINVAL;
        }
        place->fd = fd;
        /* A worker waits in accept(2). */
        return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0 ? -errno : 0;
}

/* Returns 1 with passed sockets, 0 when there is none, or a negative errno. */
static int take_passed(struct listeners *ret) {
        char **names = NULL;
        int base, n = service_take_sockets(&base, &names), r = n > 0;

        if (n < 0)
                log_error("cannot take the sockets that were passed: %s", strerror(-n));
        for (int i = 0; i < n && r > 0; i++) {
                int placed = place_passed(ret, base + i, names != NULL ? names[i] : NULL, n == 1);

                if (placed < 0)
                        r = placed;
        }
        for (int i = 0; names != NULL && i < n; i++)
                free(names[i]);
        free((void *)names);
        return n < 0 ? n : r;
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

/* Who may ask. Everybody may in open mode: that is what the policy is for. What comes in own mode can
 * hold a worker up, so it is for members of a group. */
static int set_access(const char *path, bool own) {
        struct stat stat;
        const struct group *group;

        if (!own)
                return chmod(path, 0666) < 0 ? -errno : 0;
        group = getgrnam(OWN_GROUP);
        if (chmod(path, 0660) < 0 || lstat(path, &stat) < 0)
                return -errno;
        if (group != NULL &&
            (stat.st_gid == group->gr_gid || lchown(path, (uid_t)-1, group->gr_gid) == 0))
                return 0;
        if (group == NULL && geteuid() == 0) {
                log_error("%s: there is no group " OWN_GROUP " to own it; make it with groupadd "
                          "--system " OWN_GROUP,
                          path);
                return -ENOENT;
        }
        log_warning("%s: only members of group %u may use it, for it cannot be given to " OWN_GROUP,
                    path,
                    stat.st_gid);
        return 0;
}

static int make(const char *path, bool own, struct listener *ret) {
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
                log_error("%s: another lowportd listens there; give this one a %s of its own",
                          path,
                          own ? "--own-socket" : "--socket");
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
        r = ret->path == NULL ? -ENOMEM : set_access(path, own);
        if (r < 0)
                return r;
        ret->fd = fd;
        fd = -1;
        return 0;
}

int listeners_open(const char *open_path, const char *own_path, struct listeners *ret) {
        int r;

        *ret = (struct listeners){ .open = { .fd = -1 }, .own = { .fd = -1 } };
        r = take_passed(ret);
        if (r != 0)
                return r < 0 ? r : 0;
        if (open_path == NULL && own_path == NULL) {
                open_path = LOWPORT_SOCKET_PATH;
                own_path = LOWPORT_OWN_SOCKET_PATH;
                if (geteuid() == 0)
                        (void)mkdir(USUAL_DIRECTORY, 0755); /* bind says what came of it */
        }
        if (open_path != NULL)
                r = make(open_path, false, &ret->open);
        if (r == 0 && own_path != NULL)
                r = make(own_path, true, &ret->own);
        if (r < 0)
                listeners_remove(ret);
        return r;
}

void listeners_close(struct listeners *listeners) {
        listeners->open.fd = close_fd(listeners->open.fd);
        listeners->own.fd = close_fd(listeners->own.fd);
}

static void remove_one(struct listener *listener) {
        if (listener->path != NULL)
                (void)unlink(listener->path);
        free(listener->path);
        listener->path = NULL;
}

void listeners_remove(struct listeners *listeners) {
        remove_one(&listeners->open);
        remove_one(&listeners->own);
}
