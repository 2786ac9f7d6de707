/* SPDX-License-Identifier: MIT */
#include "fuzz-reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lowport/lowport.h>

#include "client/handle.h"
#include "client/own.h"
#include "common/cleanup.h"
#include "fuzz-descriptors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_connection_open(struct connection *connection,
                           const char *path,
                           const struct deadline *deadline);
bool __wrap_deadline_pause(const struct deadline *deadline, unsigned *pause, unsigned pause_max);

enum { TRIES_MAX = 8 };

/* The daemon. What it has to say lies in the socket before the client asks. */
static struct {
        const uint8_t *data;
        size_t size;
        int fd;
        unsigned pauses;
} hostile = { .fd = -1 };

/* Returns false when nothing more is to come on this connection. */
static bool say_something(void) {
        struct fuzz_datagram head;

        if (hostile.size < sizeof(head))
                return false;
        memcpy(&head, hostile.data, sizeof(head));
        hostile.data += sizeof(head);
        hostile.size -= sizeof(head);
        if (head.size > hostile.size)
                head.size = (uint16_t)hostile.size;
        fuzz_send(hostile.fd, hostile.data, head.size, head.fds & 3);
        hostile.data += head.size;
        hostile.size -= head.size;
        return (head.fds & FUZZ_CLOSE) == 0;
}

int __wrap_connection_open(struct connection *connection,
                           const char *path,
                           const struct deadline *deadline) {
        int pair[2];

        (void)path;
        (void)deadline;
        if (hostile.size < sizeof(struct fuzz_datagram))
                return -ECONNREFUSED;
        hostile.fd = close_fd(hostile.fd);
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                abort();
        hostile.fd = pair[1];
        while (say_something())
                ;
        (void)shutdown(hostile.fd, SHUT_WR);
        *connection = (struct connection){ .fd = pair[0], .pid = getpid() };
        return 0;
}

/* Time passes at once. */
bool __wrap_deadline_pause(const struct deadline *deadline, unsigned *pause, unsigned pause_max) {
        (void)deadline;
        (void)pause;
        (void)pause_max;
        return ++hostile.pauses < TRIES_MAX;
}

static void check_text(const char *text, size_t size) {
        size_t length = strnlen(text, size);

        if (length == size)
                abort();
        /* It goes to a terminal, or to a log. */
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
                        abort();
}

/* What a program can see of how the call ended. */
static void check_end(const struct lowport *lp, int result, int error) {
        const char *path = NULL;
        unsigned line = 0;

        check_text(lowport_message(lp), sizeof(lp->message));
        if ((result < 0) != (lowport_reason(lp) != LOWPORT_GRANTED))
                abort();
        if (result < 0 && (error <= 0 || error > 4095))
                abort();
        if (lowport_rule(lp, &path, &line) != 0)
                check_text(path, sizeof(lp->rule_path));
        if (lowport_reason_text(lowport_reason(lp))[0] == '\0')
                abort();
}

static int bind_own(struct lowport *lp) {
        const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(80) };
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return own_bind(lp, fd, (const struct sockaddr *)&address, sizeof(address));
}

static int call(struct lowport *lp, const struct fuzz_call *what) {
        static const char *const places[] = { NULL, "127.0.0.1", "::1", "::" };
        const char *place = places[what->place & 3];
        unsigned flags = what->flags;
        struct lowport_status *status;
        int r;

        switch (what->call & 3) {
        case FUZZ_OPEN:
                return lowport_open(lp, IPPROTO_TCP, place, 80, flags, 16);
        case FUZZ_CHECK:
                return lowport_check(lp, IPPROTO_UDP, place, 53, flags);
        case FUZZ_STATUS:
                status = malloc(sizeof(*status));
                if (status == NULL)
                        abort();
                r = lowport_status(lp, status, sizeof(*status));
                if (r == 0)
                        check_text(status->version, sizeof(status->version));
                free(status);
                return r;
        default:
                return bind_own(lp);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t before = fuzz_open_descriptors();
        struct fuzz_call what;
        struct lowport *lp = lowport_new("/fuzz");

        if (lp == NULL)
                abort();
        if (size >= sizeof(what)) {
                memcpy(&what, data, sizeof(what));
                hostile.data = data + sizeof(what);
                hostile.size = size - sizeof(what);
                hostile.pauses = 0;
                for (int i = 0; i <= (what.again & 1); i++) {
                        int r = call(lp, &what);

                        check_end(lp, r, errno);
                        /* A socket exactly where one was asked for. */
                        if (r >= 0 && (what.call & 3) == FUZZ_OPEN &&
                            (fcntl(r, F_GETFD) & FD_CLOEXEC) == 0)
                                abort();
                        if (r >= 0 && (what.call & 3) == FUZZ_OPEN)
                                (void)close(r);
                        else if (r > 0)
                                abort();
                }
        }
        lowport_free(lp);
        hostile.fd = close_fd(hostile.fd);
        if (fuzz_open_descriptors() != before)
                abort();
        return 0;
}
