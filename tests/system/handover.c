/* SPDX-License-Identifier: MIT */

/* Opens, closes and opens one port again and again; nobody else wants it, so EADDRINUSE would mean
 * that a worker of the daemon still held it.
 *
 *     handover SOCKET PORT ROUNDS kept|fresh */

#include <err.h>
#include <errno.h>
#include <lowport/lowport.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One socket, on the connection that is kept or on one of its own. */
static int open_one(struct lowport *kept, const char *path, uint16_t port) {
        struct lowport *lp = kept != NULL ? kept : lowport_new(path);
        int fd = lowport_open(lp, IPPROTO_TCP, "127.0.0.1", port, 0, 0);
        int saved = errno;

        if (fd < 0)
                warnx("%s", lowport_message(lp));
        if (kept == NULL)
                lowport_free(lp);
        errno = saved;
        return fd;
}

int main(int argc, char **argv) {
        if (argc != 5)
                errx(2, "usage: handover SOCKET PORT ROUNDS kept|fresh");

        const char *path = argv[1];
        uint16_t port = (uint16_t)atoi(argv[2]);
        long rounds = atol(argv[3]);
        struct lowport *kept = strcmp(argv[4], "kept") == 0 ? lowport_new(path) : NULL;

        for (long i = 0; i < rounds; i++) {
                int fd = open_one(kept, path, port);

                if (fd < 0)
                        err(errno == EADDRINUSE ? 3 : 1, "round %ld", i);
                close(fd);
        }
        lowport_free(kept);
        printf("%ld rounds\n", rounds);
        return 0;
}
