/* SPDX-License-Identifier: MIT */
#include "cli/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* A number, all of `text`; else -1. */
static long number_of(const char *text) {
        char *end;
        long number;

        if (text == NULL || text[0] < '0' || text[0] > '9')
                return -1;
        errno = 0;
        number = strtol(text, &end, 10);
        return errno != 0 || *end != '\0' ? -1 : number;
}

void inherited_done(struct inherited *inherited) {
        for (size_t i = 0; inherited->names != NULL && i < inherited->n; i++)
                free(inherited->names[i]);
        free(inherited->names);
        *inherited = (struct inherited){ 0 };
}

/* A socket that has no name is called as sd_listen_fds_with_names(3) calls it. */
static int copy_names(struct inherited *inherited) {
        const char *text = getenv("LISTEN_FDNAMES");
        const char *s = text == NULL ? "" : text;

        inherited->names = calloc(inherited->n, sizeof(*inherited->names));
        if (inherited->names == NULL)
                return -ENOMEM;
        for (size_t i = 0; i < inherited->n; i++) {
                size_t length = strcspn(s, ":");

                inherited->names[i] = length == 0 ? strdup("unknown") : strndup(s, length);
                if (inherited->names[i] == NULL)
                        return -ENOMEM;
                s += length + (s[length] == ':');
        }
        return 0;
}

int environment_inherited(struct inherited *ret) {
        struct inherited inherited = { 0 };
        long n = number_of(getenv("LISTEN_FDS"));
        int r;

        *ret = inherited;
        if (number_of(getenv("LISTEN_PID")) != (long)getpid() || n <= 0)
                return 0;
        /* Also keeps a nonsensical number from being an amount of memory. */
        for (long i = 0; i < n; i++)
                if (i > INT_MAX - ENVIRONMENT_FIRST_FD ||
                    fcntl(ENVIRONMENT_FIRST_FD + (int)i, F_GETFD) < 0)
                        return -EBADF;
        inherited.n = (size_t)n;
        r = copy_names(&inherited);
        if (r < 0) {
                inherited_done(&inherited);
                return r;
        }
        *ret = inherited;
        return 0;
}

static int set_number(const char *name, long number) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%ld", number);
        return setenv(name, text, 1) < 0 ? -errno : 0;
}

/* "web:dns" */
static int set_names(const struct handed *handed, size_t n) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        int r;

        if (out == NULL)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                (void)fprintf(out, "%s%s", i == 0 ? "" : ":", handed[i].name);
        r = fclose(out) != 0 ? -ENOMEM : 0;
        if (r == 0)
                r = setenv("LISTEN_FDNAMES", text, 1) < 0 ? -errno : 0;
        free(text);
        return r;
}

int environment_announce(const struct handed *handed, size_t n, pid_t pid) {
        int r;

        (void)unsetenv("LISTEN_PID");
        (void)unsetenv("LISTEN_FDS");
        (void)unsetenv("LISTEN_FDNAMES");
        /* Names a process more exactly than LISTEN_PID, but the one that systemd started. */
        (void)unsetenv("LISTEN_PIDFDID");
        if (n == 0)
                return 0;
        r = set_number("LISTEN_FDS", (long)n);
        if (r == 0)
                r = set_names(handed, n);
        if (r == 0 && pid != 0)
                r = set_number("LISTEN_PID", pid);
        return r;
}

/* Out of the way first: one socket may sit where another is to go. */
static int move_up(int *fds, const struct handed *handed, size_t n) {
        int top = 0;

        for (size_t i = 0; i < n; i++)
                top = handed[i].fd > top ? handed[i].fd : top;
        for (size_t i = 0; i < n; i++) {
                int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, top + 1);

                if (fd < 0)
                        return errno == EINVAL ? -EMFILE : -errno;
                (void)close(fds[i]);
                fds[i] = fd;
        }
        return 0;
}

int environment_place(int *fds, const struct handed *handed, size_t n) {
        int r = move_up(fds, handed, n);

        for (size_t i = 0; r == 0 && i < n; i++)
                if (dup2(fds[i], handed[i].fd) < 0) /* the copy is not close-on-exec */
                        r = -errno;
        for (size_t i = 0; i < n; i++)
                fds[i] = close_fd(fds[i]);
        return r;
}
