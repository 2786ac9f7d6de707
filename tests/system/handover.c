/* SPDX-License-Identifier: MIT */

/* Opens, closes and opens one port again and again; nobody else wants it, so EADDRINUSE would mean
 * that a worker of the daemon still held it.
 *
 *     handover SOCKET PORT ROUNDS fresh|kept|turns
 *
 * Each request comes on a connection of its own, all on one, or on two in turn. */

#include <err.h>
#include <errno.h>
#include <lowport/lowport.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_one(struct lowport *lp, uint16_t port) {
        int fd = lowport_open(lp, IPPROTO_TCP, "127.0.0.1", port, 0, 0);

        if (fd < 0)
                warnx("%s", lowport_message(lp));
        return fd;
}

int main(int argc, char **argv) {
        if (argc != 5)
                errx(2, "usage: handover SOCKET PORT ROUNDS fresh|kept|turns");

        uint16_t port = (uint16_t)atoi(argv[2]);
        long rounds = atol(argv[3]);
        int fresh = strcmp(argv[4], "fresh") == 0, turns = strcmp(argv[4], "turns") == 0;
        struct lowport *handles[2] = { lowport_new(argv[1]), lowport_new(argv[1]) };

        for (long i = 0; i < rounds; i++) {
                struct lowport **lp = &handles[turns ? i % 2 : 0];
                int fd = open_one(*lp, port);

                if (fd < 0)
                        err(errno == EADDRINUSE ? 3 : 1, "round %ld", i);
                close(fd);
                if (fresh) {
                        lowport_free(*lp);
                        *lp = lowport_new(argv[1]);
                }
        }
        lowport_free(handles[0]);
        lowport_free(handles[1]);
        printf("%ld rounds\n", rounds);
        return 0;
}
