/* SPDX-License-Identifier: MIT */
#include "speak.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fdpass.h"

int speak_connect(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), error;

        (void)stpncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        error = errno;
        (void)close(fd);
        errno = error;
        return -1;
}

struct wire_request speak_request(uint16_t operation, uint8_t protocol, uint16_t port) {
        return (struct wire_request){
                .version = WIRE_VERSION,
                .operation = operation,
                .protocol = protocol,
                .family = ADDRESS_V4,
                .port = port,
                .address = { 127, 0, 0, 1 },
        };
}

bool speak_send(int connection, const void *data, size_t size) {
        return send(connection, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

int speak_hear(int connection) {
        struct wire_reply reply;
        int fd = -1;
        ssize_t n = fdpass_receive(connection, &reply, sizeof(reply), 0, &fd);

        if (fd >= 0)
                (void)close(fd);
        return n == sizeof(reply) ? reply.reason : -1;
}

int speak_ask(int connection, const struct wire_request *request) {
        /* Who is cut off may have been told why. */
        (void)speak_send(connection, request, sizeof(*request));
        return speak_hear(connection);
}

bool speak_own(int connection, const struct wire_request *request, int fd) {
        struct wire_request own = *request;

        own.operation = WIRE_OWN;
        return fdpass_send(connection, &own, sizeof(own), fd) == 0;
}

void speak_raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}
