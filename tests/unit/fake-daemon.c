/* SPDX-License-Identifier: MIT */
#include "fake-daemon.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"

static void must(int condition, const char *what) {
        if (condition)
                return;
        perror(what);
        abort();
}

size_t count_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        size_t n = 0;

        must(directory != NULL, "opendir");
        while (readdir(directory) != NULL)
                n++;
        closedir(directory);
        return n;
}

void fake_init(struct fake *fake) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        memset(fake, 0, sizeof(*fake));
        (void)snprintf(fake->directory, sizeof(fake->directory), "/tmp/lowport-test-XXXXXX");
        must(mkdtemp(fake->directory) != NULL, "mkdtemp");
        (void)snprintf(fake->path, sizeof(fake->path), "%s/socket", fake->directory);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", fake->path);
        fake->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        must(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
        must(listen(fake->listener, 8) == 0, "listen");
        fake->gift = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(fake->gift >= 0, "socket");
        for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
                fake->connections[i] = -1;
}

void fake_add(struct fake *fake, enum act_kind kind, enum lowport_reason reason, int error) {
        struct act *act = &fake->acts[fake->n_acts++];

        must(fake->n_acts <= FAKE_ACTS, "too many acts");
        act->kind = kind;
        act->reply.version = WIRE_VERSION;
        act->reply.reason = (uint16_t)reason;
        act->reply.error = error;
        act->reply.uid = 1001;
}

/* Not fdpass_send(), which is under test as well and would not send two descriptors. */
static void send_reply(int connection, const void *data, size_t size, int fd, size_t n_fds) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(2 * sizeof(int))];
        } control = { 0 };
        struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                int fds[2] = { fd, fd };

                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        (void)sendmsg(connection, &message, MSG_NOSIGNAL);
}

/* Not fdpass_receive(), for the same reason. Returns the size, and the descriptor or -1. */
static ssize_t receive_request(int connection, struct wire_request *ret, int *ret_fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_LEN(sizeof(int)),
        };
        ssize_t n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);

        *ret_fd = -1;
        if (n > 0 && CMSG_FIRSTHDR(&message) != NULL)
                memcpy(ret_fd, CMSG_DATA(&control.header), sizeof(*ret_fd));
        return n;
}

/* Past what stands in for bind(2) in this program. */
static void bind_passed(const struct wire_request *request, int fd) {
        struct address address = { .family = request->family, .scope = request->scope };
        struct sockaddr_storage storage;
        socklen_t size;

        if (fd < 0)
                return;
        memcpy(address.bytes, request->address, sizeof(address.bytes));
        size = address_to_sockaddr(&address, request->port, false, &storage);
        must(syscall(SYS_bind, fd, &storage, size) == 0, "bind");
}

static bool has_descriptor(enum act_kind kind) {
        return kind != ACT_REPLY && kind != ACT_REPLY_CLOSE && kind != ACT_WITH_DESCRIPTOR &&
               kind != ACT_BIND;
}

static bool ends_connection(enum act_kind kind) {
        return kind == ACT_CLOSE || kind == ACT_REPLY_CLOSE || kind == ACT_GRANT_CLOSE ||
               kind == ACT_BIND_CLOSE;
}

static void perform(struct fake *fake, const struct act *act, uint16_t operation, int *connection) {
        struct {
                struct wire_reply reply;
                char more;
        } out = { .reply = act->reply };
        size_t size = sizeof(out.reply);
        int gift = fake->gift;

        if (out.reply.operation == 0)
                out.reply.operation = operation;
        if (has_descriptor(act->kind))
                out.reply.flags |= WIRE_HAS_DESCRIPTOR;

        switch (act->kind) {
        case ACT_REPLY:
        case ACT_REPLY_CLOSE:
        case ACT_BIND:
                send_reply(*connection, &out, size, -1, 0);
                break;
        case ACT_GRANT:
        case ACT_GRANT_CLOSE:
        case ACT_WITH_DESCRIPTOR:
                send_reply(*connection, &out, size, gift, 1);
                break;
        case ACT_TWO_DESCRIPTORS:
                send_reply(*connection, &out, size, gift, 2);
                break;
        case ACT_SHORT:
                send_reply(*connection, &out, size - 1, gift, 1);
                break;
        case ACT_LONG:
                send_reply(*connection, &out, size + 1, gift, 1);
                break;
        case ACT_EMPTY:
                send_reply(*connection, &out, 0, -1, 0);
                break;
        case ACT_CLOSE:
        case ACT_BIND_CLOSE:
        case ACT_SILENT:
                break;
        }
        if (ends_connection(act->kind)) {
                (void)close(*connection);
                *connection = -1;
        }
}

static void serve(struct fake *fake, int *connection) {
        struct wire_request request;
        _cleanup_fd_ int passed = -1;
        ssize_t n = receive_request(*connection, &request, &passed);
        const struct act *act = &fake->acts[fake->n_requests];

        if (n <= 0) {
                (void)close(*connection);
                *connection = -1;
                return;
        }
        must(n == sizeof(request), "the size of a request");
        must(fake->n_requests < fake->n_acts, "a request more than was expected");
        fake->requests[fake->n_requests] = request;
        fake->passed[fake->n_requests] = passed >= 0;
        if (act->kind == ACT_BIND || act->kind == ACT_BIND_CLOSE)
                bind_passed(&request, passed);
        perform(fake, act, request.operation, connection);
        fake->n_requests++;
}

/* Returns false when fake_stop() was called. */
static int accept_one(struct fake *fake) {
        int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
                return 0;
        for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
                if (fake->connections[i] < 0) {
                        fake->connections[i] = fd;
                        fake->n_connections++;
                        return 1;
                }
        abort();
}

static void *loop(void *argument) {
        struct fake *fake = argument;

        for (;;) {
                struct pollfd fds[FAKE_CONNECTIONS + 1];

                for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
                        fds[i] = (struct pollfd){ fake->connections[i], POLLIN, 0 };
                fds[FAKE_CONNECTIONS] = (struct pollfd){ fake->listener, POLLIN, 0 };
                if (poll(fds, FAKE_CONNECTIONS + 1, -1) < 0) {
                        must(errno == EINTR, "poll");
                        continue;
                }
                for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
                        if (fds[i].revents != 0)
                                serve(fake, &fake->connections[i]);
                if (fds[FAKE_CONNECTIONS].revents != 0 && !accept_one(fake))
                        return NULL;
        }
}

void fake_start(struct fake *fake) {
        must(pthread_create(&fake->thread, NULL, loop, fake) == 0, "pthread_create");
}

void fake_stop(struct fake *fake) {
        (void)shutdown(fake->listener, SHUT_RDWR);
        must(pthread_join(fake->thread, NULL) == 0, "pthread_join");
        for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
                if (fake->connections[i] >= 0)
                        (void)close(fake->connections[i]);
}

void fake_done(struct fake *fake) {
        (void)close(fake->listener);
        (void)close(fake->gift);
        (void)unlink(fake->path);
        (void)rmdir(fake->directory);
}
