/* SPDX-License-Identifier: MIT */
#include "cli/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/notify.h"

#define PREFIX "lowport-keep "

enum { NAME_MAX_LENGTH = 128, PATIENCE = 1000 /* milliseconds */ };

/* What is stored goes by all that makes the socket, not by the name that the program knows it by. A
 * colon separates names there. */
static void name_spec(const struct spec *spec, char ret[NAME_MAX_LENGTH]) {
        (void)snprintf(ret,
                       NAME_MAX_LENGTH,
                       PREFIX "%s%s%s%s%s",
                       spec->text,
                       (spec->request.flags & LOWPORT_NO_LISTEN) != 0 ? " nolisten" : "",
                       (spec->request.flags & LOWPORT_FREEBIND) != 0 ? " freebind" : "",
                       spec->reuseport ? " reuseport" : "",
                       spec->mptcp ? " mptcp" : "");
        for (char *s = ret; *s != '\0'; s++)
                if (*s == ':')
                        *s = '_';
}

static int tell(int notify, const char *message, int fd) {
        struct pollfd poller = { .fd = notify, .events = POLLOUT };
        int r = fdpass_send(notify, message, strlen(message), fd);

        if (r == -EAGAIN && poll(&poller, 1, PATIENCE) > 0)
                r = fdpass_send(notify, message, strlen(message), fd);
        return r;
}

/* Nobody wants it any more: another SPEC was asked for before. */
static void forget(const char *name) {
        _cleanup_fd_ int notify = notify_open();
        char message[NAME_MAX_LENGTH + 64];

        (void)snprintf(message, sizeof(message), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        if (notify >= 0)
                (void)tell(notify, message, -1);
}

/* Moves a stored socket to the spec that it is for, or drops it. Returns 0 or a negative errno. */
static int sort_out(const struct spec *specs, size_t n, int fd, const char *name, int *fds) {
        char wanted[NAME_MAX_LENGTH];

        for (size_t i = 0; i < n; i++) {
                name_spec(&specs[i], wanted);
                if (fds[i] >= 0 || strcmp(name, wanted) != 0)
                        continue;
                fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
                (void)close(fd);
                return fds[i] < 0 ? -errno : 0;
        }
        (void)close(fd);
        forget(name);
        return 0;
}

int keep_take(const struct spec *specs, size_t n, struct inherited *inherited, int *fds) {
        size_t left = 0;
        int r = 0;

        for (size_t i = 0; i < inherited->n && r == 0; i++) {
                int fd = ENVIRONMENT_FIRST_FD + (int)i, place = ENVIRONMENT_FIRST_FD + (int)left;
                char *name = inherited->names[i];

                if (strncmp(name, PREFIX, strlen(PREFIX)) == 0) {
                        r = sort_out(specs, n, fd, name, fds);
                        free(name);
                        inherited->names[i] = NULL;
                        continue;
                }
                /* Others move up to where a stored one was. */
                if (place != fd && (dup2(fd, place) < 0 || close(fd) < 0))
                        r = -errno;
                inherited->names[i] = NULL;
                inherited->names[left++] = name;
        }
        inherited->n = left;
        return r;
}

void keep_store(const struct spec *specs, size_t n, const int *fds, const bool *fresh) {
        _cleanup_fd_ int notify = notify_open();
        int r = notify < 0 ? notify : 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                char name[NAME_MAX_LENGTH], message[NAME_MAX_LENGTH + 64];

                if (!fresh[i])
                        continue;
                name_spec(&specs[i], name);
                (void)snprintf(message, sizeof(message), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
                r = tell(notify, message, fds[i]);
        }
        if (r == -ENOENT)
                cli_complain(
                        "run: --keep: no service manager keeps the sockets: $NOTIFY_SOCKET is "
                        "not set; the unit needs FileDescriptorStoreMax= and NotifyAccess=main");
        else if (r < 0)
                cli_complain("run: --keep: the service manager does not take the sockets: %s",
                             strerror(-r));
}
