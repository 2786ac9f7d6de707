/* SPDX-License-Identifier: MIT */
#include "preload/complaint.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "client/own.h"
#include "common/endpoint.h"

enum {
        NAME_MAX_SIZE = 16, /* PR_GET_NAME's */
        PREFIX_MAX_SIZE = 64 + NAME_MAX_SIZE + ENDPOINT_TEXT_MAX,
};

_Static_assert(PREFIX_MAX_SIZE + sizeof(((struct lowport *)0)->message) <= PIPE_BUF,
               "lines of several processes do not mix in a pipe");

static bool is_quiet(void) {
        const char *value = getenv("LOWPORT_WRAP_QUIET");

        return value != NULL && strcmp(value, "1") == 0;
}

/* These are as true without Lowport, and programs know how to report them. */
static bool errno_says_it(unsigned reason) {
        return reason == LOWPORT_ADDRESS_IN_USE || reason == LOWPORT_ADDRESS_NOT_AVAILABLE ||
               reason == LOWPORT_BIND_FAILED || reason == LOWPORT_NOT_LOW_PORT ||
               reason == LOWPORT_BAD_ARGUMENT;
}

static bool is_ip_socket(int fd) {
        socklen_t size = sizeof(int);
        int domain;

        return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
               (domain == AF_INET || domain == AF_INET6);
}

/* A program that closed its standard error may have a connection or a file of its own there, which
 * a line of ours would spoil: standard error is inherited, so it is not close-on-exec, and it is
 * not a socket to be bound. A pipe that poll(2) calls writable takes PIPE_BUF bytes at once. */
static bool may_write(int fd) {
        struct pollfd pollfd = { .fd = STDERR_FILENO, .events = POLLOUT };

        return fd != STDERR_FILENO && fcntl(STDERR_FILENO, F_GETFD) == 0 &&
               !is_ip_socket(STDERR_FILENO) && poll(&pollfd, 1, 0) == 1 &&
               pollfd.revents == POLLOUT;
}

/* The reader of a pipe may go between poll(2) and here. In one call, so that the line stays whole
 * among those of other processes; from where its parts are, since stacks can be small. */
static void write_without_signal(const struct iovec *parts, int n) {
        const struct timespec now = { 0 };
        sigset_t pipe, before, pending;

        (void)sigemptyset(&pipe);
        (void)sigaddset(&pipe, SIGPIPE);
        (void)sigemptyset(&pending);
        (void)pthread_sigmask(SIG_BLOCK, &pipe, &before);
        (void)sigpending(&pending);
        if (writev(STDERR_FILENO, parts, n) < 0 && sigismember(&pending, SIGPIPE) == 0)
                (void)sigtimedwait(&pipe, NULL, &now);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Terminals obey control characters, and who reads a log takes a line feed for a line. */
static struct iovec printable(char *text) {
        for (char *c = text; *c != '\0'; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        *c = '?';
        return (struct iovec){ .iov_base = text, .iov_len = strlen(text) };
}

/* Writes "lowport: wrap: NAME (pid PID): WHAT: ". */
static void make_prefix(int fd,
                        const struct sockaddr *address,
                        socklen_t length,
                        char ret[static PREFIX_MAX_SIZE]) {
        char name[NAME_MAX_SIZE] = "", what[ENDPOINT_TEXT_MAX];

        (void)prctl(PR_GET_NAME, name);
        own_describe(fd, address, length, what, sizeof(what));
        (void)snprintf(
                ret, PREFIX_MAX_SIZE, "lowport: wrap: %s (pid %d): %s: ", name, getpid(), what);
}

void complaint_write(struct lowport *lp, int fd, const struct sockaddr *address, socklen_t length) {
        char prefix[PREFIX_MAX_SIZE], end[] = "\n";
        struct iovec parts[3] = { [2] = { .iov_base = end, .iov_len = 1 } };

        if (is_quiet() || errno_says_it(lp->reason) || !may_write(fd))
                return;
        make_prefix(fd, address, length, prefix);
        parts[0] = printable(prefix);
        parts[1] = printable(lp->message);
        write_without_signal(parts, 3);
}
