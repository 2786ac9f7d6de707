/* SPDX-License-Identifier: MIT */

/* Requests of every kind and in great number, good and bad, from several processes at once.
 *
 *     million SOCKET OWN_SOCKET PROCESSES REQUESTS
 *
 * Prints how many of each kind there were. What a kind must come to is checked; only "over limit" and
 * a connection that was closed for it are always possible, since the limits are at work. */

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "speak.h"

enum {
        HELD_PORT = 99,    /* somebody has it */
        OTHERS_PORT = 600, /* nobody grants it */
        FIRST_PORT = 100,
        KEEP = 50, /* requests on one connection */
};

/* The ports of one process. What is closed unread, or before its answer, takes a moment to be free. */
enum { GRANTED, FRESH, UNREAD, LEFT, OWN, OWN_LEFT, PORTS };

struct client {
        const char *open, *own;
        int kept; /* a connection for several requests; -1: none */
        unsigned asked, of_it, seed;
        uint16_t ports; /* the first one */
};

struct kind {
        const char *name;
        unsigned often;               /* in 256 */
        unsigned requests;            /* it makes at once */
        int (*ask)(struct client *c); /* returns the reason; -1: closed */
        int reason;                   /* it must be; -1: whatever it is */
};

static uint16_t port_of(const struct client *c, unsigned which) {
        return (uint16_t)(c->ports + which);
}

static int come(const char *path) {
        int fd = speak_connect(path);

        if (fd < 0)
                err(1, "%s", path);
        return fd;
}

/* A connection that is used for a while and then left. */
static int kept(struct client *c) {
        if (c->kept >= 0 && c->of_it++ < KEEP)
                return c->kept;
        if (c->kept >= 0)
                (void)close(c->kept);
        c->kept = come(c->open);
        c->of_it = 0;
        return c->kept;
}

static int ask_kept(struct client *c, const void *data, size_t size) {
        int fd = kept(c);
        int reason = speak_send(fd, data, size) ? speak_hear(fd) : -1;

        if (reason < 0)
                c->of_it = KEEP;
        return reason;
}

static int open_kept(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, port_of(c, GRANTED));

        return ask_kept(c, &request, sizeof(request));
}

static int open_datagram(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_UDP, port_of(c, GRANTED));

        return ask_kept(c, &request, sizeof(request));
}

static int open_fresh(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, port_of(c, FRESH));
        int fd = come(c->open), reason = speak_ask(fd, &request);

        (void)close(fd);
        return reason;
}

static int open_held(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, HELD_PORT);

        return ask_kept(c, &request, sizeof(request));
}

static int be_denied(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, OTHERS_PORT);

        return ask_kept(c, &request, sizeof(request));
}

static int be_malformed(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, port_of(c, GRANTED));

        request.reserved[c->asked % 3] = 1;
        return ask_kept(c, &request, sizeof(request));
}

static int be_short(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, port_of(c, GRANTED));

        return ask_kept(c, &request, 4 + c->asked % 40);
}

static int be_oversized(struct client *c) {
        static const char bytes[64 * 1024] = { WIRE_VERSION, 0, WIRE_OPEN };

        return ask_kept(c, bytes, sizeof(bytes));
}

/* Grants that nobody takes, and requests behind them that nobody answers. */
static int read_nothing(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, port_of(c, UNREAD));
        int fd = come(c->open);

        for (int i = 0; i < 4; i++)
                (void)speak_send(fd, &request, sizeof(request));
        if (c->asked % 2 == 0)
                (void)recv(fd, (char[256]){ 0 }, 256, 0); /* the answer, but not what comes along */
        (void)close(fd);
        return -1;
}

/* Closed before the answer, before the request, or on one side. */
static int leave_early(struct client *c) {
        struct wire_request request = speak_request(WIRE_OPEN, IPPROTO_TCP, port_of(c, LEFT));
        int fd = come(c->open);

        if (c->asked % 4 != 0)
                (void)speak_send(fd, &request, sizeof(request));
        if (c->asked % 4 > 1)
                (void)shutdown(fd, c->asked % 4 == 2 ? SHUT_RD : SHUT_WR);
        (void)close(fd);
        return -1;
}

static int own_socket(struct client *c, int type, uint16_t port, bool with_it) {
        uint8_t protocol = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
        struct wire_request request = speak_request(WIRE_CHECK, protocol, port);
        int fd = come(c->own), sock = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        int reason = speak_ask(fd, &request);

        if (reason == LOWPORT_GRANTED)
                reason = speak_own(fd, &request, with_it ? sock : -1) ? speak_hear(fd) : -1;
        (void)close(sock);
        (void)close(fd);
        return reason;
}

static int own_granted(struct client *c) {
        return own_socket(c, c->asked % 2 == 0 ? SOCK_STREAM : SOCK_DGRAM, port_of(c, OWN), true);
}

static int own_without(struct client *c) {
        return own_socket(c, SOCK_STREAM, port_of(c, OWN), false);
}

static int own_held(struct client *c) {
        return own_socket(c, SOCK_STREAM, HELD_PORT, true);
}

static int own_denied(struct client *c) {
        return own_socket(c, SOCK_STREAM, OTHERS_PORT, true);
}

static int own_left(struct client *c) {
        struct wire_request request = speak_request(WIRE_CHECK, IPPROTO_TCP, port_of(c, OWN_LEFT));
        int fd = come(c->own), sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (speak_ask(fd, &request) == LOWPORT_GRANTED)
                (void)speak_own(fd, &request, sock);
        (void)close(fd);
        (void)close(sock);
        return -1;
}

static const struct kind kinds[] = {
        { "granted", 80, 1, open_kept, LOWPORT_GRANTED },
        { "granted, UDP", 30, 1, open_datagram, LOWPORT_GRANTED },
        { "granted, fresh connection", 30, 1, open_fresh, LOWPORT_GRANTED },
        { "in use", 24, 1, open_held, LOWPORT_ADDRESS_IN_USE },
        { "denied", 24, 1, be_denied, LOWPORT_NO_RULE },
        { "malformed", 16, 1, be_malformed, LOWPORT_MALFORMED },
        { "too short", 16, 1, be_short, LOWPORT_TOO_SHORT },
        { "oversized", 8, 1, be_oversized, LOWPORT_TOO_LONG },
        { "unread", 4, 4, read_nothing, -1 },
        { "left early", 12, 1, leave_early, -1 },
        { "own, granted", 4, 1, own_granted, LOWPORT_GRANTED },
        { "own, no socket sent", 2, 1, own_without, LOWPORT_UNSUITABLE_SOCKET },
        { "own, in use", 2, 1, own_held, LOWPORT_ADDRESS_IN_USE },
        { "own, denied", 2, 1, own_denied, LOWPORT_NO_RULE },
        { "own, left early", 2, 1, own_left, -1 },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct ledger {
        atomic_ulong asked[KINDS], limited[KINDS];
};

/* By lot, so that kinds follow each other in every order. */
static const struct kind *draw(struct client *c) {
        int lot = rand_r(&c->seed) % 256;
        const struct kind *kind = kinds;

        while ((lot -= (int)kind->often) >= 0)
                kind++;
        return kind;
}

static void ask(struct client *c, struct ledger *ledger) {
        const struct kind *kind = draw(c);
        int reason = kind->ask(c);

        c->asked++;
        atomic_fetch_add(&ledger->asked[kind - kinds], kind->requests);
        if (kind->reason < 0 || reason == kind->reason)
                return;
        if (reason >= 0 && reason != LOWPORT_OVER_LIMIT)
                errx(1, "%s: reason %d", kind->name, reason);
        atomic_fetch_add(&ledger->limited[kind - kinds], 1);
}

static void run(const struct client *who, struct ledger *ledger, unsigned long requests) {
        struct client c = *who;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned long i = 0; i < requests; i++)
                ask(&c, ledger);
        _exit(0);
}

/* Each process has a user's share of ports, so that only what is meant to be in use is. */
static bool run_all(struct client *c, struct ledger *ledger, unsigned n, unsigned long requests) {
        bool good = true;
        int status;

        for (unsigned i = 0; i < n; i++) {
                pid_t pid = fork();

                c->ports = (uint16_t)(FIRST_PORT + i * PORTS);
                c->seed = (unsigned)time(NULL) + i;
                if (pid < 0)
                        err(1, "fork");
                if (pid == 0)
                        run(c, ledger, requests / n);
        }
        while (wait(&status) > 0)
                good = good && status == 0;
        return good;
}

int main(int argc, char **argv) {
        struct ledger *ledger =
                mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct client client = { .kept = -1 };
        bool good;

        if (argc != 5)
                errx(2, "usage: million SOCKET OWN_SOCKET PROCESSES TIMES");
        if (ledger == MAP_FAILED)
                err(1, "mmap");
        client.open = argv[1];
        client.own = argv[2];
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        good = run_all(
                &client, ledger, (unsigned)strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
        for (size_t i = 0; i < KINDS; i++)
                printf("%lu %lu %s\n", ledger->asked[i], ledger->limited[i], kinds[i].name);
        return good ? 0 : 1;
}
