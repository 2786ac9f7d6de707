/* SPDX-License-Identifier: MIT */

/* Without libsystemd: the protocols of sd_listen_fds(3), sd_notify(3) and sd_watchdog_enabled(3) by
 * their documentation. Other service managers speak them too. */

#include "lowportd/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/notify.h"

enum { FDS_START = 3 };

/* A whole decimal number, or `otherwise`. */
static long long number(const char *text, long long otherwise) {
        char *end;
        long long value;

        if (text == NULL || *text < '0' || *text > '9')
                return otherwise;
        errno = 0;
        value = strtoll(text, &end, 10);
        return errno != 0 || *end != '\0' ? otherwise : value;
}

static char **split_names(const char *text, int n) {
        char **names = calloc((size_t)n + 1, sizeof(*names));

        for (int i = 0; names != NULL && i < n; i++) {
                size_t length = strcspn(text, ":");

                names[i] = strndup(text, length);
                text += length + (text[length] == ':');
        }
        return names;
}

int service_take_sockets(int *ret_base, char ***ret_names) {
        const char *names = getenv("LISTEN_FDNAMES");
        long long n = number(getenv("LISTEN_FDS"), 0);

        *ret_base = FDS_START;
        *ret_names = NULL;
        if (number(getenv("LISTEN_PID"), -1) != getpid() || n > 1024)
                n = 0;
        for (int i = 0; i < n; i++)
                if (fcntl(FDS_START + i, F_SETFD, FD_CLOEXEC) < 0)
                        return -errno;
        if (n > 0 && names != NULL && (*ret_names = split_names(names, (int)n)) == NULL)
                return -ENOMEM;
        (void)unsetenv("LISTEN_PID");
        (void)unsetenv("LISTEN_FDS");
        (void)unsetenv("LISTEN_FDNAMES");
        return (int)n;
}

void service_notify(const char *state) {
        _cleanup_fd_ int fd = notify_open();

        if (fd >= 0)
                (void)send(fd, state, strlen(state), MSG_NOSIGNAL);
}

uint64_t service_watchdog(void) {
        long long interval = number(getenv("WATCHDOG_USEC"), 0);

        if (number(getenv("WATCHDOG_PID"), getpid()) != getpid())
                return 0;
        return interval > 0 ? (uint64_t)interval : 0;
}
