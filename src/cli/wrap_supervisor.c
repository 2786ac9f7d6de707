/* SPDX-License-Identifier: MIT */
#include "cli/wrap_supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/wrap_child.h"
#include "cli/wrap_retreat.h"
#include "cli/wrap_target.h"
#include "cli/wrap_watch.h"
#include "common/cleanup.h"
#include "common/fdpass.h"

enum { ABOVE_STDIO = 3 };

/* What the supervisor tries to read from here. */
static const char probe[] = "lowport wrap";

/* Returns 0 if everything that a helper does to a target can be done to this process's parent, of
 * which `number` is a descriptor. */
static int try_target(pid_t pid, int number) {
        struct wrap_target target;
        char found[sizeof(probe)], self[32] = "";
        _cleanup_fd_ int fd = -1;
        int r = wrap_target_look(pid, &target);

        /* A /proc of another process namespace shows somebody else under our number. */
        if (r < 0 || readlink("/proc/self", self, sizeof(self) - 1) < 0 ||
            strtol(self, NULL, 10) != getpid())
                return -ESRCH;
        r = wrap_target_read(pid, (uintptr_t)probe, found, sizeof(found));
        if (r == 0)
                r = wrap_target_descriptor(&target, number, &fd);
        return r;
}

static struct wrap_desk *
make_desk(const struct wrap_options *options, const char *own_socket, pid_t pid) {
        const char *slash = strrchr(options->command[0], '/');
        struct wrap_desk *desk = wrap_desk_new();

        if (desk == NULL)
                return NULL;
        desk->verbose = options->verbose;
        desk->quiet = options->quiet;
        desk->uid = geteuid();
        desk->pid = pid;
        (void)snprintf(desk->name,
                       sizeof(desk->name),
                       "%s",
                       slash != NULL ? slash + 1 : options->command[0]);
        (void)snprintf(desk->own_socket, sizeof(desk->own_socket), "%s", own_socket);
        return desk;
}

/* The child: says whether it can do its work, gets the listener, and does it. */
static _Noreturn void
supervise(const struct wrap_options *options, const char *own_socket, int socket, int number) {
        pid_t pid = getppid();
        struct wrap_desk *desk = make_desk(options, own_socket, pid);
        int listener = -1, r = desk == NULL ? -ENOMEM : try_target(pid, number);

        if (r == 0)
                r = wrap_retreat(&socket, options->quiet);
        if (fdpass_send(socket, &r, sizeof(r), -1) < 0 || r < 0)
                _exit(1);
        if (fdpass_receive(socket, &r, sizeof(r), 0, &listener) != sizeof(r) || listener < 0)
                _exit(1);
        for (char **word = options->command; *word != NULL; word++)
                memset(*word, 0, strlen(*word)); /* for ps(1): this is not that program */
        (void)fdpass_send(socket, &r, sizeof(r), -1);
        (void)close(socket);
        wrap_watch(desk, listener);
}

static int make_sockets(int ret[2]) {
        int sockets[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        /* Standard error may be closed: then its number is not to become ours. */
        for (int i = 0; i < 2; i++) {
                ret[i] = fcntl(sockets[i], F_DUPFD_CLOEXEC, ABOVE_STDIO);
                (void)close(sockets[i]);
        }
        return ret[0] < 0 || ret[1] < 0 ? -EMFILE : 0;
}

/* Waits for its word. Returns 0 or a negative errno. */
static int hear(int socket) {
        int said = 0;
        ssize_t n;

        do
                n = fdpass_receive(socket, &said, sizeof(said), 0, NULL);
        while (n == -EINTR);
        return n == sizeof(said) ? said : -ECHILD;
}

int wrap_supervisor_start(const struct wrap_options *options,
                          const char *own_socket,
                          struct wrap_supervisor *ret) {
        int sockets[2] = { -1, -1 };
        int r = make_sockets(sockets);
        _cleanup_fd_ int ours = sockets[0], theirs = sockets[1];
        pid_t pid;

        if (r < 0)
                return r;
        pid = wrap_child_new();
        if (pid < 0)
                return pid;
        if (pid == 0) {
                (void)close(ours);
                supervise(options, own_socket, theirs, ours);
        }
        theirs = close_fd(theirs);
        r = hear(ours);
        if (r < 0) {
                (void)wrap_child_wait(pid);
                return r;
        }
        *ret = (struct wrap_supervisor){ .pid = pid, .socket = ours };
        ours = -1;
        return 0;
}

int wrap_supervisor_engage(struct wrap_supervisor *supervisor, int listener) {
        int r = 0;

        r = fdpass_send(supervisor->socket, &r, sizeof(r), listener);
        return r < 0 ? r : hear(supervisor->socket);
}

void wrap_supervisor_done(struct wrap_supervisor *supervisor) {
        supervisor->socket = close_fd(supervisor->socket);
}
