/* SPDX-License-Identifier: MIT */

/* An application for an image FROM scratch: HTTP on the listening socket that is its descriptor 3.
 * It answers with who asked, who it is, and what it has of capabilities. */

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENER = 3 };

static const char *client_of(int connection, char *room, socklen_t size) {
        struct sockaddr_storage address;
        socklen_t length = sizeof(address);
        const void *bytes = &((struct sockaddr_in *)&address)->sin_addr;

        if (getpeername(connection, (struct sockaddr *)&address, &length) < 0)
                return "?";
        if (address.ss_family == AF_INET6)
                bytes = &((struct sockaddr_in6 *)&address)->sin6_addr;
        return inet_ntop(address.ss_family, bytes, room, size);
}

/* The line of /proc/self/status, with its end. */
static const char *status_of(const char *name, char *room, int size) {
        FILE *file = fopen("/proc/self/status", "re");

        while (file != NULL && fgets(room, size, file) != NULL)
                if (strncmp(room, name, strlen(name)) == 0) {
                        fclose(file);
                        return room;
                }
        return "?\n";
}

static int can_write_root(void) {
        FILE *file = fopen("/written", "we");

        if (file != NULL)
                fclose(file);
        return file != NULL;
}

static void answer(int connection) {
        char request[4096], text[1024], client[64], effective[128], bounding[128], locked[128];
        int n;

        if (read(connection, request, sizeof(request)) <= 0)
                return;
        n = snprintf(text,
                     sizeof(text),
                     "HTTP/1.0 200 OK\r\n\r\nclient: %s\nuid: %u\nroot: %s\n%s%s%s",
                     client_of(connection, client, sizeof(client)),
                     getuid(),
                     can_write_root() ? "writable" : "read-only",
                     status_of("CapPrm", effective, sizeof(effective)),
                     status_of("CapBnd", bounding, sizeof(bounding)),
                     status_of("NoNewPrivs", locked, sizeof(locked)));
        if (write(connection, text, (size_t)n) < 0)
                perror("write");
}

static void end(int number) {
        (void)number;
        _exit(EXIT_SUCCESS);
}

int main(void) {
        (void)signal(SIGTERM, end); /* as process 1 it would not end by itself */
        (void)signal(SIGPIPE, SIG_IGN);
        for (;;) {
                int connection = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);

                if (connection < 0) {
                        perror("server: accept");
                        return EXIT_FAILURE;
                }
                answer(connection);
                (void)close(connection);
        }
}
