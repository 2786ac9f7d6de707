/* SPDX-License-Identifier: MIT */
#include "attacker.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "scenario.h"
#include "silent.h"

enum { PAGE = 4096, MOST = 1024 };

static const struct attack *attack;
static const char *file;
static int pages;
static bool own; /* that mode is attacked */
static int connections[MOST];

static void say(char byte) {
        if (send(attack->line, &byte, 1, MSG_NOSIGNAL) != 1)
                _exit(1);
}

static bool is_how(const char *name) {
        return strcmp(attack->how, name) == 0;
}

static struct wire_request request_for(uint16_t operation) {
        bool udp = is_how("sending");
        struct wire_request request =
                ask_for(operation, udp ? IPPROTO_UDP : IPPROTO_TCP, "0.0.0.0", attack->port);

        return request;
}

static int connect_daemon(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void)strncpy(address.sun_path, attack->path, sizeof(address.sun_path) - 1);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                fail("%s: %s", attack->path, strerror(errno));
        return fd;
}

/* ---- files and sockets that hold up who touches them ---- */

/* A file that is sent, let go while it is clean, and made dirty through another one. Whoever drops the
 * last reference then has to write a page first, and never will have. */
static int open_file(void) {
        int fd = open(file, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                fail("%s: %s", file, strerror(errno));
        return fd;
}

static int kept = -1;

static void spoil(int fd) {
        static const char page[PAGE];

        (void)close(fd);
        if (pwrite(kept, page, PAGE, 0) != PAGE)
                fail("%s: %s", file, strerror(errno));
}

/* Memory that takes for ever to read. */
static void *silent_page(void) {
        void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, open_file(), 0);

        if (page == MAP_FAILED)
                fail("mmap: %s", strerror(errno));
        return page;
}

struct hold {
        int fd;
        void *page;
};

static void *hold_by_sending(void *argument) {
        const struct hold *hold = argument;
        struct sockaddr_in name = { .sin_family = AF_INET,
                                    .sin_port = htons(9),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

        (void)sendto(hold->fd, hold->page, PAGE, MSG_MORE, (struct sockaddr *)&name, sizeof(name));
        return NULL;
}

static void *hold_by_option(void *argument) {
        const struct hold *hold = argument;

        (void)setsockopt(hold->fd, IPPROTO_IP, IP_OPTIONS, hold->page, 4);
        return NULL;
}

/* A socket whose lock is held. */
static int held_socket(int type, void *(*how)(void *)) {
        static struct hold hold;
        pthread_t thread;
        char byte;

        hold.fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
        hold.page = silent_page();
        if (hold.fd < 0 || pthread_create(&thread, NULL, how, &hold) != 0 ||
            read(pages, &byte, 1) != 1)
                fail("no socket is held");
        return hold.fd;
}

/* ---- the attacks ---- */

static int send_with(int connection, uint16_t operation, const int *fds, size_t n) {
        struct wire_request request = request_for(operation);

        return ask_send(connection, &request, sizeof(request), fds, n);
}

static int send_file(int connection, uint16_t operation) {
        int fd = open_file(), r = send_with(connection, operation, &fd, 1);

        spoil(fd);
        return r;
}

static int send_extra(int connection, uint16_t operation) {
        int fds[2] = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), open_file() };
        int r = send_with(connection, operation, fds, 2);

        spoil(fds[1]);
        return r;
}

static int send_nested(int connection, uint16_t operation) {
        int pair[2], fd = open_file(), r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
            ask_send(pair[0], "x", 1, &fd, 1) < 0)
                fail("cannot nest a file");
        r = send_with(connection, operation, &pair[1], 1);
        (void)close(pair[0]);
        (void)close(pair[1]);
        spoil(fd);
        return r;
}

/* Returns what the sending came to. */
static int do_it(int connection) {
        uint16_t operation = own ? WIRE_OWN : WIRE_OPEN;
        int fd;

        if (is_how("flush")) {
                fd = open_file();
                return send_with(connection, operation, &fd, 1);
        }
        if (is_how("dirty"))
                return send_file(connection, operation);
        if (is_how("check"))
                return send_file(connection, WIRE_CHECK);
        if (is_how("unread")) {
                int r = send_with(connection, operation, NULL, 0);

                return r < 0 ? r : send_file(connection, operation);
        }
        if (is_how("extra"))
                return send_extra(connection, operation);
        if (is_how("nested"))
                return send_nested(connection, operation);
        if (is_how("sending"))
                fd = held_socket(SOCK_DGRAM, hold_by_sending);
        else
                fd = held_socket(SOCK_STREAM, hold_by_option);
        return send_with(connection, operation, &fd, 1);
}

static bool is_granted(int connection) {
        struct wire_request request = request_for(WIRE_CHECK);
        struct answer answer = ask_on(connection, &request);

        return !answer.closed && answer.reply.reason == LOWPORT_GRANTED;
}

/* Tells what is answered on its first connection. */
static _Noreturn void finish(void) {
        while (!ask_receive(connections[0]).closed)
                say(SILENT_ANSWERED);
        say(SILENT_CLOSED);
        for (;;)
                (void)pause(); /* what was sent is not let go */
}

void attacker_live(const struct attack *what, const char *path, int pages_read) {
        static const struct rlimit files = { 2 * MOST, 2 * MOST };
        bool refused = false;
        char byte;
        int r = 0;

        attack = what;
        file = path;
        pages = pages_read;
        own = strcmp(attack->path, DAEMON_OWN_SOCKET) == 0;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setrlimit(RLIMIT_NOFILE, &files);
        kept = open_file();
        for (unsigned i = 0; i < attack->many && i < MOST; i++) {
                connections[i] = connect_daemon();
                refused = refused || (own && !is_granted(connections[i]));
        }
        say(refused ? SILENT_REFUSED : SILENT_CONNECTED);
        if (read(attack->line, &byte, 1) != 1)
                _exit(1);
        for (unsigned i = 0; i < attack->many && i < MOST && r == 0; i++)
                r = do_it(connections[i]);
        if (r != 0 && r != -EPERM)
                fail("an attacker cannot send: %s", strerror(-r));
        say(r == -EPERM ? SILENT_NOT_SENT : SILENT_SENT);
        finish();
}
