/* SPDX-License-Identifier: MIT */

/* What a bound socket costs: made by oneself, by the floor, by Lowport, on a fresh and on a kept
 * connection. All take turns in one run, in small blocks, since only ratios within one run mean
 * anything. scripts/bench sets up what it needs. There are two floors, since one serves one
 * connection after another, and a kept one would keep it.
 *
 *     bench [--json] [--samples N] FLOOR FLOOR2 LOWPORT [NAME=LOWPORT]… */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/wire.h"
#include "samples.h"

enum { BLOCK = 64, KINDS_MAX = 16, FIRST_PORT = 81 };

struct kind {
        const char *name;
        const char *path; /* NULL: without a helper */
        bool kept, lowport;
        int floor;      /* the kind its ratio is to */
        int connection; /* of the kept ones */
        uint16_t port;
        struct samples samples;
};

static uint64_t now(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int plain(uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(fd, SOMAXCONN) < 0)
                err(1, "port %u", port);
        return fd;
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        memcpy(address.sun_path, path, strlen(path));
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                err(1, "%s", path);
        return fd;
}

/* Both helpers are asked in the same way: one send, one recvmsg. */
static int ask(const struct kind *kind, int connection) {
        struct wire_request request = {
                .version = WIRE_VERSION,
                .operation = WIRE_OPEN,
                .protocol = IPPROTO_TCP,
                .family = ADDRESS_V4,
                .port = kind->port,
        };
        struct wire_reply reply = { 0 };
        const void *data = kind->lowport ? (const void *)&request : &kind->port;
        size_t size = kind->lowport ? sizeof(request) : sizeof(kind->port);
        int fd = -1;

        if (send(connection, data, size, MSG_NOSIGNAL) < 0)
                err(1, "%s: send", kind->name);
        if (fdpass_receive(connection, &reply, sizeof(reply), 0, &fd) <= 0 || fd < 0)
                errx(1,
                     "%s: port %u: reason %u, %s",
                     kind->name,
                     kind->port,
                     reply.reason,
                     strerror(reply.error));
        return fd;
}

static void sample(struct kind *kind) {
        int connection = kind->connection, fd;
        uint64_t start = now();

        if (kind->path == NULL) {
                fd = plain(kind->port);
        } else {
                if (!kind->kept)
                        connection = connect_to(kind->path);
                fd = ask(kind, connection);
        }
        samples_add(&kind->samples, now() - start);
        (void)close(fd);
        if (kind->path != NULL && !kind->kept)
                (void)close(connection);
}

static void run(struct kind *kinds, int n, size_t samples) {
        for (int i = 0; i < n; i++) {
                kinds[i].port = (uint16_t)(FIRST_PORT + i);
                if (kinds[i].kept)
                        kinds[i].connection = connect_to(kinds[i].path);
                for (int warm = 0; warm < BLOCK; warm++)
                        sample(&kinds[i]);
                kinds[i].samples.n = 0;
        }
        for (size_t done = 0; done < samples; done += BLOCK)
                for (int i = 0; i < n; i++)
                        for (int k = 0; k < BLOCK; k++)
                                sample(&kinds[i]);
}

static void report(struct kind *kinds, int n, bool json) {
        printf(json ? "{" : "%-16s %10s %10s %8s\n", "", "p50 us", "p99 us", "ratio");
        for (int i = 0; i < n; i++) {
                double p50 = samples_percentile(&kinds[i].samples, 50);
                double p99 = samples_percentile(&kinds[i].samples, 99);
                double ratio = p50 / samples_percentile(&kinds[kinds[i].floor].samples, 50);

                if (json)
                        printf("%s\"%s\": {\"p50_us\": %.2f, \"p99_us\": %.2f, \"ratio\": %.3f}",
                               i > 0 ? ", " : "",
                               kinds[i].name,
                               p50,
                               p99,
                               ratio);
                else
                        printf("%-16s %10.2f %10.2f %8.3f\n", kinds[i].name, p50, p99, ratio);
        }
        if (json)
                puts("}");
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "json", no_argument, NULL, 'j' },
                { "samples", required_argument, NULL, 'n' },
                { NULL, 0, NULL, 0 },
        };
        static struct kind kinds[KINDS_MAX] = {
                { .name = "plain", .floor = 0 },
                { .name = "floor_fresh", .floor = 1 },
                { .name = "floor_kept", .floor = 2, .kept = true },
                { .name = "open_fresh", .floor = 1, .lowport = true },
                { .name = "open_kept", .floor = 2, .lowport = true, .kept = true },
        };
        int c, n = 5;
        size_t samples = 20000;
        bool json = false;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c == 'j')
                        json = true;
                else if (c == 'n')
                        samples = strtoul(optarg, NULL, 10);
                else
                        return 2;
        }
        if (argc - optind < 3)
                errx(2, "usage: bench [--json] [--samples N] FLOOR FLOOR2 LOWPORT [NAME=LOWPORT]…");
        kinds[1].path = argv[optind];
        kinds[2].path = argv[optind + 1];
        kinds[3].path = kinds[4].path = argv[optind + 2];
        for (int i = optind + 3; i < argc && n < KINDS_MAX; i++) {
                char *equals = strchr(argv[i], '=');

                if (equals == NULL)
                        errx(2, "%s: expected NAME=SOCKET", argv[i]);
                *equals = '\0';
                kinds[n++] = (struct kind){
                        .name = argv[i],
                        .path = equals + 1,
                        .floor = 1,
                        .lowport = true,
                };
        }
        run(kinds, n, samples);
        report(kinds, n, json);
        return 0;
}
