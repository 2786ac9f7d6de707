/* SPDX-License-Identifier: MIT */

/* Another user, who asks for sockets in both modes as any program does, with liblowport, each time on
 * a fresh connection.
 *
 *     victim PORT OWN_PORT PAUSE
 *
 * At "q N" or "a N" on standard input it asks N times in each mode, with a pause of so many
 * microseconds before each time, notes how long each took as "quiet" or "attacked", and says "done".
 * At the end of the input it prints what that comes to. */

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <lowport/lowport.h>

#include "samples.h"

struct mode {
        const char *name;
        int (*ask)(uint16_t port);
        uint16_t port;
        struct samples samples[2]; /* quiet, attacked */
        unsigned failed[2];
};

static int ask_open(uint16_t port) {
        return lowport_open(NULL, IPPROTO_TCP, "127.0.0.1", port, 0, 0);
}

static int ask_own(uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd < 0 || lowport_bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        (void)close(fd);
        return -1;
}

static uint64_t now(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void ask_once(struct mode *mode, int attacked) {
        uint64_t begin = now();
        int fd = mode->ask(mode->port);

        if (fd < 0) {
                mode->failed[attacked]++;
                warn("%s, %s", mode->name, attacked ? "attacked" : "quiet");
                return;
        }
        samples_add(&mode->samples[attacked], now() - begin);
        (void)close(fd);
}

static void report(struct mode *mode) {
        static const char *const when[] = { "quiet", "attacked" };

        for (int i = 0; i < 2; i++)
                printf("%s %s %zu %u %.1f %.1f %.1f\n",
                       mode->name,
                       when[i],
                       mode->samples[i].n,
                       mode->failed[i],
                       samples_percentile(&mode->samples[i], 50),
                       samples_percentile(&mode->samples[i], 99),
                       samples_percentile(&mode->samples[i], 100));
}

int main(int argc, char **argv) {
        struct mode modes[] = { { .name = "open", .ask = ask_open },
                                { .name = "own", .ask = ask_own } };
        struct timespec pause;
        char when, line[32];
        unsigned n;

        if (argc != 4)
                errx(2, "usage: victim PORT OWN_PORT PAUSE");
        modes[0].port = (uint16_t)atoi(argv[1]);
        modes[1].port = (uint16_t)atoi(argv[2]);
        pause = (struct timespec){ .tv_nsec = atoi(argv[3]) * 1000L };
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (fgets(line, sizeof(line), stdin) != NULL) {
                if (sscanf(line, "%c %u", &when, &n) != 2)
                        errx(2, "%s", line);
                for (unsigned i = 0; i < n; i++)
                        for (unsigned m = 0; m < 2; m++) {
                                (void)nanosleep(&pause, NULL);
                                ask_once(&modes[m], when == 'a');
                        }
                (void)!write(1, "done\n", 5);
        }
        for (unsigned m = 0; m < 2; m++)
                report(&modes[m]);
        return 0;
}
