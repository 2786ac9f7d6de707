/* SPDX-License-Identifier: MIT */

/* A library that binds [::1]:$EARLY_PORT in its constructor, as the program starts. */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((constructor)) static void bind_early(void) {
        struct sockaddr_in6 address = { .sin6_family = AF_INET6,
                                        .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        const char *port = getenv("EARLY_PORT");
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

        /* Not in the programs on the way there. */
        if (port != NULL && strcmp(program_invocation_short_name, "preload") == 0) {
                address.sin6_port = htons((in_port_t)atoi(port));
                (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                dprintf(STDOUT_FILENO,
                        "early: %s\n",
                        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0
                                ? "bound"
                                : strerrorname_np(errno));
        }
        (void)close(fd);
}
