/* SPDX-License-Identifier: MIT */
#include "lowportd/binder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "lowportd/log.h"

/* Beside this program, as in a build tree, or where it is installed. */
static void find_binder(const struct options *options, char ret[PATH_MAX]) {
        static char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        if (options->binder != NULL) {
                (void)snprintf(ret, PATH_MAX, "%s", options->binder);
                return;
        }
        self[n > 0 ? n : 0] = '\0';
        slash = strrchr(self, '/');
        if (slash != NULL) {
                *slash = '\0';
                if (snprintf(ret, PATH_MAX, "%s/lowport-binder", self) < PATH_MAX &&
                    access(ret, X_OK) == 0)
                        return;
        }
        (void)snprintf(ret, PATH_MAX, "%s/lowport-binder", LOWPORT_BINDER_DIR);
}

/* Should: give the binder its descriptors at their places and the standard ones. Mustn't: give it an
 * environment, or arguments that anybody chose. Copies go above all places first, lest one
 * overwrites another. */
static _Noreturn void become_binder(const char *path,
                                    int control,
                                    int records,
                                    int registry,
                                    const struct listeners *listeners) {
        static char *const environment[] = { NULL };
        static char name[] = "lowport-binder";
        char *const arguments[] = { name, NULL };
        const struct {
                int from, to;
        } places[] = {
                { control, BINDER_FD_CONTROL },       { records, BINDER_FD_RECORDS },
                { registry, BINDER_FD_REGISTRY },     { listeners->open.fd, BINDER_FD_OPEN },
                { listeners->own.fd, BINDER_FD_OWN },
        };
        enum { N = sizeof(places) / sizeof(places[0]) };
        int above[N];

        for (int i = 0; i < N; i++)
                above[i] = fcntl(places[i].from, F_DUPFD_CLOEXEC, BINDER_FD_REGISTRY + 1);
        for (int i = 0; i < N; i++)
                if (places[i].from < 0)
                        (void)close(places[i].to); /* what is not served is not there */
                else if (above[i] < 0 || dup2(above[i], places[i].to) < 0)
                        _exit(BINDER_EXIT_FAILED);
        (void)execve(path, arguments, environment);
        log_error("cannot run %s: %s; is it installed? --binder names another",
                  path,
                  strerror(errno));
        _exit(BINDER_EXIT_FAILED);
}

int binder_start(struct binder *binder,
                 const struct options *options,
                 const struct listeners *listeners,
                 int records,
                 int registry) {
        static char path[PATH_MAX];
        int pair[2], r;

        find_binder(options, path);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                r = -errno;
                log_error("cannot start the binder: %s", strerror(-r));
                return r;
        }
        binder->pid = fork();
        if (binder->pid < 0) {
                r = -errno;
                log_error("cannot start the binder: %s", strerror(-r));
                (void)close_fd(pair[0]);
                (void)close_fd(pair[1]);
                return r;
        }
        if (binder->pid == 0) {
                (void)close_fd(pair[0]);
                become_binder(path, pair[1], records, registry, listeners);
        }
        (void)close_fd(pair[1]);
        binder->control = pair[0];
        return 0;
}

int binder_order(const struct binder *binder,
                 const struct options *options,
                 uint32_t generation,
                 int rules) {
        struct orders orders = options->limits;

        orders.generation = generation;
        return fdpass_send(binder->control, &orders, sizeof(orders), rules);
}

int binder_hear(const struct binder *binder, struct report *ret) {
        ssize_t n = fdpass_receive(binder->control, ret, sizeof(*ret), 0, NULL);

        if (n < 0)
                return (int)n;
        if (n == 0)
                return 0;
        return n == sizeof(*ret) ? 1 : -EPROTO;
}

void binder_explain(int wait_status, char *ret, size_t size) {
        if (WIFSIGNALED(wait_status))
                (void)snprintf(ret,
                               size,
                               "lowport-binder was killed by signal %d (%s)",
                               WTERMSIG(wait_status),
                               strsignal(WTERMSIG(wait_status)));
        else if (WEXITSTATUS(wait_status) == BINDER_EXIT_NO_CAPABILITY)
                (void)snprintf(
                        ret,
                        size,
                        "CAP_NET_BIND_SERVICE is missing: start lowportd as root, or with the "
                        "capability ambient (AmbientCapabilities= in its unit), or give "
                        "lowport-binder the file capability cap_net_bind_service=p");
        else
                (void)snprintf(
                        ret, size, "lowport-binder ended with status %d", WEXITSTATUS(wait_status));
}
