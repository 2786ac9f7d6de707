/* SPDX-License-Identifier: MIT */

/* One hostile user: attacks the daemon in one of many ways, with all its might, while it is told to.
 *
 *     attack NAME SOCKET OWN_SOCKET FUSE_DEVICE
 *
 * At a "g" on standard input it attacks, and says "on" once the attack is in place; at a "p" it ends
 * all of it, and says "off DONE REFUSED": what it has sent since the beginning, and what of this the
 * kernel or the daemon has refused. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "mute.h"
#include "speak.h"

enum {
        PORT = 100,        /* the user has it */
        OTHERS_PORT = 600, /* the user has it not */
        UNIT_PORT = 90,    /* the user has it in a unit that it is not in */
        HELD = 64,         /* as many connections as a user may have */
        SENT = 32,         /* as many sockets in own mode */
        HOLD = 40,         /* milliseconds that these are kept */
};

struct tally {
        atomic_ulong done, refused;
};

struct scene {
        const char *open, *own, *fuse;
        struct tally *tally;
        int in_place; /* a pipe: each process says when it is */
        unsigned long enough;
};

struct attack {
        const char *name;
        unsigned processes;
        unsigned long enough; /* so much each of them has done when the attack is in place */
        void (*run)(struct scene *s);
};

static void count(struct scene *s, bool refused) {
        atomic_fetch_add(&s->tally->done, 1);
        if (refused)
                atomic_fetch_add(&s->tally->refused, 1);
        if (s->enough > 0 && --s->enough == 0)
                (void)!write(s->in_place, "i", 1);
}

static int come(const char *path) {
        int fd = speak_connect(path);

        if (fd < 0)
                err(1, "%s", path);
        return fd;
}

static int renew(int fd, const char *path) {
        if (fd >= 0)
                (void)close(fd);
        return come(path);
}

static bool is_over(int connection) {
        struct pollfd poller = { .fd = connection };

        return poll(&poller, 1, 0) > 0 && (poller.revents & POLLHUP) != 0;
}

/* ---- connections ---- */

/* Holds a thousand, and closes the oldest for a new one. */
static void flood_socket(struct scene *s, const char *path) {
        static int held[1000];

        memset(held, -1, sizeof(held));
        for (size_t i = 0;; i = (i + 1) % (sizeof(held) / sizeof(held[0]))) {
                held[i] = renew(held[i], path);
                count(s, false);
        }
}

static void flood(struct scene *s) {
        flood_socket(s, s->open);
}

static void flood_own(struct scene *s) {
        flood_socket(s, s->own);
}

/* Up to the limit, and back as soon as one is closed. */
static void be_silent(struct scene *s) {
        static struct pollfd held[HELD];
        const size_t n = sizeof(held) / sizeof(held[0]);

        for (size_t i = 0; i < n; i++)
                held[i].fd = -1;
        for (;;) {
                for (size_t i = 0; i < n; i++) {
                        if (held[i].fd >= 0 && held[i].revents == 0)
                                continue;
                        held[i].fd = renew(held[i].fd, s->open);
                        count(s, false);
                }
                (void)poll(held, n, -1);
        }
}

static void close_half(struct scene *s) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, PORT);
        static int held[HELD];

        memset(held, -1, sizeof(held));
        for (unsigned i = 0;; i++) {
                int *fd = &held[i % HELD];

                *fd = renew(*fd, s->open);
                if (i % 4 != 0)
                        (void)speak_send(*fd, &request, sizeof(request));
                (void)shutdown(*fd, (int)(i % 3)); /* SHUT_RD, SHUT_WR, SHUT_RDWR */
                count(s, false);
        }
}

/* A process for each connection. */
static void churn(struct scene *s) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, PORT);
        unsigned running = 0;

        for (;;) {
                pid_t pid = fork();

                if (pid == 0) {
                        int fd = come(s->open);

                        (void)speak_ask(fd, &request);
                        _exit(0);
                }
                running += pid > 0;
                if (running == 16 || pid < 0)
                        running -= waitpid(-1, NULL, 0) > 0;
                count(s, pid < 0);
        }
}

/* Connections whose process has ended, and whose unit is asked for. */
static void outlive(struct scene *s) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, UNIT_PORT);

        for (;;) {
                int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
                pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);

                if (pid == 0) {
                        int other = come(s->open);

                        (void)dup2(other, fd); /* it is the parent's as well */
                        (void)close(other);
                        _exit(0);
                }
                (void)waitpid(pid, NULL, 0);
                count(s, speak_ask(fd, &request) != LOWPORT_GRANTED);
                (void)close(fd);
        }
}

/* Sixteen that send a little now and then, and so meet no deadline. */
static void trickle(struct scene *s) {
        struct wire_request request = speak_request(WIRE_CHECK, IPPROTO_TCP, PORT);
        const struct timespec pause = { .tv_nsec = 1000000 };
        int held[16];

        for (size_t i = 0; i < 16; i++)
                held[i] = come(s->open);
        for (size_t i = 0;; i = (i + 1) % 16) {
                count(s, speak_ask(held[i], &request) != LOWPORT_GRANTED);
                if (is_over(held[i]))
                        held[i] = renew(held[i], s->open);
                (void)nanosleep(&pause, NULL);
        }
}

/* ---- requests ---- */

static void read_nothing(struct scene *s) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, 0);
        static int held[HELD];

        memset(held, -1, sizeof(held));
        for (unsigned i = 0;; i++) {
                int *fd = &held[i % HELD];

                request.port = (uint16_t)(PORT + i % 400);
                if (*fd < 0 || !speak_send(*fd, &request, sizeof(request)))
                        *fd = renew(*fd, s->open);
                count(s, false);
        }
}

/* Always has requests queued, and reads the replies: the worker never has to wait for it. */
static void ask_ahead(struct scene *s) {
        struct wire_request request = speak_request(WIRE_CHECK, IPPROTO_TCP, PORT);

        for (;;) {
                int fd = come(s->open);
                pid_t pid = fork();

                if (pid == 0) {
                        while (send(fd, &request, sizeof(request), MSG_NOSIGNAL) > 0)
                                ;
                        _exit(0);
                }
                while (speak_hear(fd) >= 0)
                        count(s, false);
                (void)close(fd);
                (void)waitpid(pid, NULL, 0);
        }
}

/* Sends again and again what has no good answer, on one connection as long as it lasts. */
static void pester(struct scene *s, const void *data, size_t size) {
        int fd = come(s->open);

        for (;;) {
                int reason = speak_send(fd, data, size) ? speak_hear(fd) : -1;

                if (reason < 0)
                        fd = renew(fd, s->open);
                count(s, reason != LOWPORT_GRANTED);
        }
}

static void be_malformed(struct scene *s) {
        int fd = come(s->open);

        for (unsigned seed = 1;;) {
                unsigned char bytes[96];
                size_t size;
                int reason;

                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = (unsigned char)rand_r(&seed);
                size = (size_t)bytes[0] % sizeof(bytes) + 1;
                if (size % 2 == 0) {
                        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, PORT);

                        memcpy(bytes, &request, sizeof(request));
                        bytes[8 + size % 40] |= 0x80; /* a bad field in a good request */
                        size = sizeof(request);
                }
                reason = speak_send(fd, bytes, size) ? speak_hear(fd) : -1;
                if (reason < 0)
                        fd = renew(fd, s->open);
                count(s, reason != LOWPORT_GRANTED);
        }
}

static void be_oversized(struct scene *s) {
        static char bytes[128 * 1024] = { WIRE_VERSION, 0, WIRE_OPEN };

        pester(s, bytes, sizeof(bytes));
}

/* Each of them makes a line of the log. */
static void be_denied(struct scene *s) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, OTHERS_PORT);

        pester(s, &request, sizeof(request));
}

static void send_descriptors(struct scene *s) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, PORT);
        int fd = come(s->open);

        for (;;) {
                int r = fdpass_send(fd, &request, sizeof(request), 0);

                count(s, r == -EPERM);
                if (r != -EPERM || is_over(fd))
                        fd = renew(fd, s->open);
        }
}

/* ---- descriptors that hold whoever touches them ---- */

struct baits {
        struct mute mute;
        int sent[SENT], peers[SENT];
        pthread_t threads[SENT];
        char *pages;
        unsigned n;
};

struct lure {
        uint8_t protocol;
        void (*begin)(struct scene *s, struct baits *b);
        int (*make)(struct baits *b); /* the descriptor to be sent */
        void (*end)(struct baits *b); /* lets go of whom they hold */
};

static void begin_files(struct scene *s, struct baits *b) {
        b->mute = mute_begin(s->fuse, getenv("TMPDIR"), true);
}

static int make_file(struct baits *b) {
        return mute_open(&b->mute);
}

static void end_files(struct baits *b) {
        mute_end(&b->mute);
        for (unsigned i = 0; i < b->n; i++)
                (void)close(b->sent[i]);
}

static void begin_lingering(struct scene *s, struct baits *b) {
        (void)s;
        (void)b;
}

static int small_socket(void) {
        static const int size = 2048;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        return fd;
}

/* Its peer reads nothing, and whoever closes it last is to wait for a minute. */
static int make_lingering(struct baits *b) {
        static const char bytes[1024];
        const struct linger minute = { .l_onoff = 1, .l_linger = 60 };
        struct sockaddr_in address = { .sin_family = AF_INET };
        socklen_t size = sizeof(address);
        int listener = small_socket(), fd = small_socket();

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
            getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
            connect(fd, (struct sockaddr *)&address, size) < 0)
                err(1, "a connection");
        b->peers[b->n] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        (void)close(listener);
        while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
                ;
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &minute, sizeof(minute));
        return fd;
}

static void nothing(int signal) {
        (void)signal;
}

/* The daemon is to be the last to have it. If it was faster, it is we who wait, until a signal. */
static void let_linger(int fd) {
        static const struct sigaction interrupt = { .sa_handler = nothing };

        (void)sigaction(SIGALRM, &interrupt, NULL);
        (void)ualarm(5000, 0);
        (void)close(fd);
        (void)ualarm(0, 0);
}

static void end_lingering(struct baits *b) {
        for (unsigned i = 0; i < b->n; i++)
                (void)close(b->peers[i]); /* with bytes unread: a reset */
}

static void begin_locked(struct scene *s, struct baits *b) {
        int fd;

        b->mute = mute_begin(s->fuse, getenv("TMPDIR"), false);
        fd = mute_open(&b->mute);
        b->pages = mmap(NULL, MUTE_PAGES * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
        (void)close(fd);
        if (b->pages == MAP_FAILED)
                err(1, "mmap");
}

struct hold {
        int fd;
        const char *page;
};

/* Sits in sendto(2) with the socket's lock until the page has been read. */
static void *hold_lock(void *argument) {
        struct hold *hold = argument;
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        (void)sendto(hold->fd,
                     hold->page,
                     100,
                     MSG_MORE,
                     (const struct sockaddr *)&address,
                     sizeof(address));
        (void)close(hold->fd);
        free(hold);
        return NULL;
}

static int make_locked(struct baits *b) {
        struct hold *hold = malloc(sizeof(*hold));
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        char byte;

        if (hold == NULL || fd < 0)
                err(1, "a socket");
        *hold = (struct hold){ .fd = dup(fd), .page = b->pages + b->n * 4096 };
        if (pthread_create(&b->threads[b->n], NULL, hold_lock, hold) != 0)
                errx(1, "no thread");
        if (read(b->mute.told, &byte, 1) != 1)
                errx(1, "nobody reads the page");
        return fd;
}

static void end_locked(struct baits *b) {
        mute_end(&b->mute);
        for (unsigned i = 0; i < b->n; i++) {
                (void)pthread_join(b->threads[i], NULL);
                (void)close(b->sent[i]);
        }
        (void)munmap(b->pages, MUTE_PAGES * 4096);
}

/* Sends as many as a user may, holds the workers a while, lets them go, and sends again. */
static void lure(struct scene *s, const struct lure *lure) {
        struct wire_request request = speak_request(WIRE_CHECK, lure->protocol, PORT);
        const struct timespec hold = { .tv_nsec = HOLD * 1000000 };

        for (;;) {
                struct baits b = { .n = 0 };
                int connections[SENT];

                lure->begin(s, &b);
                for (unsigned tries = 0; tries < SENT; tries++) {
                        int c = come(s->own);

                        if (speak_ask(c, &request) != LOWPORT_GRANTED) {
                                (void)close(c);
                                continue; /* over the limit: workers of the last time end */
                        }
                        b.sent[b.n] = lure->make(&b);
                        (void)speak_own(c, &request, b.sent[b.n]);
                        if (lure->end == end_lingering)
                                let_linger(b.sent[b.n]);
                        connections[b.n++] = c;
                        count(s, false);
                }
                (void)nanosleep(&hold, NULL);
                lure->end(&b);
                for (unsigned i = 0; i < b.n; i++)
                        (void)close(connections[i]);
        }
}

static void send_files(struct scene *s) {
        static const struct lure files = { IPPROTO_TCP, begin_files, make_file, end_files };

        mute_enter();
        lure(s, &files);
}

static void send_lingering(struct scene *s) {
        static const struct lure lingering = {
                IPPROTO_TCP, begin_lingering, make_lingering, end_lingering
        };

        lure(s, &lingering);
}

static void send_locked(struct scene *s) {
        static const struct lure locked = { IPPROTO_UDP, begin_locked, make_locked, end_locked };

        mute_enter();
        lure(s, &locked);
}

/* No attack at all, for comparison: so many processes that want the CPU. */
static void spin(struct scene *s) {
        for (;;)
                count(s, false);
}

static const struct attack attacks[] = {
        { "spin", 2, 1, spin },
        { "flood", 2, 200, flood },
        { "flood-own", 2, 100, flood_own },
        { "silence", 1, HELD, be_silent },
        { "half-closed", 2, HELD, close_half },
        { "unread", 2, HELD, read_nothing },
        { "ahead", 2, 1, ask_ahead },
        { "malformed", 2, 1, be_malformed },
        { "oversized", 2, 1, be_oversized },
        { "denied", 2, 1, be_denied },
        { "descriptors", 2, 1, send_descriptors },
        { "churn", 2, 1, churn },
        { "outlive", 2, 1, outlive },
        { "trickle", 1, 16, trickle },
        { "files", 1, SENT, send_files },
        { "lingering", 1, SENT, send_lingering },
        { "locked", 1, SENT, send_locked },
};

/* ---- begin and end ---- */

static pid_t group;

/* All of an attack is one process group, also what it forks itself. */
static void begin(const struct attack *attack, struct scene *s) {
        int pipes[2];
        char byte;

        if (pipe2(pipes, O_CLOEXEC) < 0)
                err(1, "pipe");
        group = 0;
        for (unsigned i = 0; i < attack->processes; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        err(1, "fork");
                if (pid == 0) {
                        (void)setpgid(0, group);
                        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                        s->in_place = pipes[1];
                        s->enough = attack->enough;
                        attack->run(s);
                        _exit(1);
                }
                if (i == 0)
                        group = pid;
                (void)setpgid(pid, group);
        }
        (void)close(pipes[1]);
        for (unsigned i = 0; i < attack->processes; i++)
                if (read(pipes[0], &byte, 1) != 1)
                        errx(1, "%s ended by itself", attack->name);
        (void)close(pipes[0]);
}

static void end(void) {
        (void)kill(-group, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
                ;
}

int main(int argc, char **argv) {
        const struct attack *attack = attacks;
        struct scene scene;
        char word;

        if (argc != 5)
                errx(2, "usage: attack NAME SOCKET OWN_SOCKET FUSE_DEVICE");
        while (strcmp(attack->name, argv[1]) != 0)
                if (++attack == attacks + sizeof(attacks) / sizeof(attacks[0]))
                        errx(2, "%s: no such attack", argv[1]);
        scene = (struct scene){
                .open = argv[2],
                .own = argv[3],
                .fuse = argv[4],
                .tally =
                        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
        };
        if (scene.tally == MAP_FAILED)
                err(1, "mmap");
        speak_raise_limit();
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        while (read(0, &word, 1) == 1) {
                if (word == 'g') {
                        begin(attack, &scene);
                        (void)!write(1, "on\n", 3);
                } else {
                        end();
                        dprintf(1, "off %lu %lu\n", scene.tally->done, scene.tally->refused);
                }
        }
        return 0;
}
