/* SPDX-License-Identifier: MIT */

/* Has sockets bound by the daemon again and again, and meanwhile does something to them that it
 * should not gain from.
 *
 *     meddle OWN_SOCKET HOW PORT TRIES
 *
 * Prints "granted N refused N closed N won N". */

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/wire.h"

/* What a try may come to. */
enum answer { GRANTED, REFUSED, CLOSED, ANSWERS };

struct attack {
        const char *name;
        int family, type;
        uint32_t flags;                                  /* of the request */
        void (*meddle)(int fd);                          /* once; it is called again and again */
        bool (*won)(int fd, enum answer, uint16_t port); /* got what it should not get */
};

static atomic_bool over;

static void set(int fd, int level, int option, int value) {
        (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* ---- what can be done to a socket ---- */

static void toggle(int fd, int level, int option) {
        set(fd, level, option, 1);
        set(fd, level, option, 0);
}

static void toggle_reuseaddr(int fd) {
        toggle(fd, SOL_SOCKET, SO_REUSEADDR);
}

static void toggle_reuseport(int fd) {
        toggle(fd, SOL_SOCKET, SO_REUSEPORT);
}

static void toggle_v6only(int fd) {
        toggle(fd, IPPROTO_IPV6, IPV6_V6ONLY);
}

static struct sockaddr_in loopback(uint16_t port) {
        return (struct sockaddr_in){
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
}

static void bind_elsewhere(int fd) {
        struct sockaddr_in address = loopback(0);

        (void)bind(fd, (struct sockaddr *)&address, sizeof(address));
}

static void connect_and_back(int fd) {
        struct sockaddr_in address = loopback(9);
        struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

        (void)connect(fd, (struct sockaddr *)&address, sizeof(address));
        (void)connect(fd, &nowhere, sizeof(nowhere));
}

static void listen_on_it(int fd) {
        (void)listen(fd, 1);
}

static void shut_it(int fd) {
        (void)shutdown(fd, SHUT_RDWR);
}

/* ---- what would be a gain ---- */

/* The port has a holder already. */
static bool was_granted(int fd, enum answer answer, uint16_t port) {
        (void)fd;
        (void)port;
        return answer == GRANTED;
}

static bool has_ipv4(int fd, enum answer answer, uint16_t port) {
        int v6only = 0;
        socklen_t size = sizeof(v6only);

        (void)port;
        if (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &size) < 0)
                err(1, "IPV6_V6ONLY");
        return answer == GRANTED && v6only == 0;
}

/* The port without a grant, or a grant for another port. */
static bool differs(int fd, enum answer answer, uint16_t port) {
        struct sockaddr_in6 name = { 0 };
        socklen_t size = sizeof(name);

        if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
                err(1, "getsockname");
        return (answer == GRANTED) != (ntohs(name.sin6_port) == port);
}

static bool nothing_to_win(int fd, enum answer answer, uint16_t port) {
        (void)fd;
        (void)answer;
        (void)port;
        return false;
}

static const struct attack attacks[] = {
        { "reuseaddr", AF_INET, SOCK_DGRAM, 0, toggle_reuseaddr, was_granted },
        { "reuseport", AF_INET, SOCK_DGRAM, 0, toggle_reuseport, was_granted },
        { "reuseaddr-tcp", AF_INET, SOCK_STREAM, 0, toggle_reuseaddr, was_granted },
        { "reuseport-tcp", AF_INET, SOCK_STREAM, 0, toggle_reuseport, was_granted },
        { "v6only", AF_INET6, SOCK_STREAM, LOWPORT_V6ONLY, toggle_v6only, has_ipv4 },
        { "v6only-udp", AF_INET6, SOCK_DGRAM, LOWPORT_V6ONLY, toggle_v6only, has_ipv4 },
        { "bind", AF_INET, SOCK_STREAM, 0, bind_elsewhere, differs },
        { "bind-udp", AF_INET, SOCK_DGRAM, 0, bind_elsewhere, differs },
        { "connect", AF_INET, SOCK_DGRAM, 0, connect_and_back, nothing_to_win },
        { "listen", AF_INET, SOCK_STREAM, 0, listen_on_it, differs },
        { "shutdown", AF_INET, SOCK_STREAM, 0, shut_it, differs },
        { "die", AF_INET, SOCK_STREAM, 0, listen_on_it, differs },
};

/* ---- a try ---- */

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void)stpncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                err(1, "%s", path);
        return fd;
}

static enum answer receive_answer(int connection) {
        struct wire_reply reply;
        ssize_t n = recv(connection, &reply, sizeof(reply), 0);

        if (n != sizeof(reply))
                return CLOSED;
        return reply.reason == LOWPORT_GRANTED ? GRANTED : REFUSED;
}

static struct wire_request request_of(const struct attack *attack, uint16_t port) {
        return (struct wire_request){
                .version = WIRE_VERSION,
                .operation = WIRE_CHECK,
                .protocol = attack->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
                .family = attack->family == AF_INET ? ADDRESS_V4 : ADDRESS_V6,
                .port = port,
                .flags = attack->flags,
        };
}

static enum answer ask(const struct attack *attack, int connection, uint16_t port, int fd) {
        struct wire_request request = request_of(attack, port);

        if (fdpass_send(connection, &request, sizeof(request), -1) < 0)
                return CLOSED;
        if (receive_answer(connection) != GRANTED)
                errx(1, "CHECK was not granted");
        request.operation = WIRE_OWN;
        if (fdpass_send(connection, &request, sizeof(request), fd) < 0)
                return CLOSED;
        return receive_answer(connection);
}

struct work {
        const struct attack *attack;
        int fd;
};

static void *meddle(void *argument) {
        const struct work *work = argument;

        while (!over)
                work->attack->meddle(work->fd);
        return NULL;
}

static int open_socket(const struct attack *attack) {
        int fd = socket(attack->family, attack->type | SOCK_CLOEXEC, 0);

        if (fd < 0)
                err(1, "socket");
        if (attack->family == AF_INET6)
                set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        return fd;
}

static enum answer
try_once(const struct attack *attack, const char *path, uint16_t port, bool *ret_won) {
        struct work work = { .attack = attack, .fd = open_socket(attack) };
        int connection = connect_to(path);
        pthread_t thread;
        enum answer answer;

        over = false;
        if (pthread_create(&thread, NULL, meddle, &work) != 0)
                errx(1, "no thread");
        answer = ask(attack, connection, port, work.fd);
        over = true;
        (void)pthread_join(thread, NULL);
        *ret_won = attack->won(work.fd, answer, port);
        (void)close(connection);
        (void)close(work.fd);
        return answer;
}

/* A process that does all this, and ends some microseconds after its request. */
static void
die_once(const struct attack *attack, const char *path, uint16_t port, unsigned moment) {
        struct wire_request request = request_of(attack, port);
        pid_t pid = fork();

        if (pid < 0)
                err(1, "fork");
        if (pid > 0) {
                (void)waitpid(pid, NULL, 0);
                return;
        }
        int fd = open_socket(attack), connection = connect_to(path);

        (void)fdpass_send(connection, &request, sizeof(request), -1);
        (void)receive_answer(connection);
        request.operation = WIRE_OWN;
        (void)fdpass_send(connection, &request, sizeof(request), fd);
        for (unsigned i = 0; i < moment; i++)
                attack->meddle(fd);
        _exit(0);
}

static const struct attack *find_attack(const char *name) {
        for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
                if (strcmp(attacks[i].name, name) == 0)
                        return &attacks[i];
        errx(2, "%s: no such attack", name);
}

int main(int argc, char **argv) {
        unsigned counts[ANSWERS] = { 0 }, won = 0;

        if (argc != 5)
                errx(2, "usage: meddle OWN_SOCKET HOW PORT TRIES");
        const struct attack *attack = find_attack(argv[2]);
        uint16_t port = (uint16_t)atoi(argv[3]);
        unsigned tries = (unsigned)atoi(argv[4]);

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned i = 0; i < tries; i++) {
                bool gained = false;

                if (strcmp(attack->name, "die") == 0) {
                        die_once(attack, argv[1], port, i % 200);
                        continue;
                }
                counts[try_once(attack, argv[1], port, &gained)]++;
                won += gained;
        }
        printf("granted %u refused %u closed %u won %u\n",
               counts[GRANTED],
               counts[REFUSED],
               counts[CLOSED],
               won);
        return 0;
}
