/* SPDX-License-Identifier: MIT */

/* The floor of the benchmark: the least that a helper can do which hands out bound sockets. One
 * process, no identity, no policy, no audit, no confinement: accept, recv, socket, bind, listen,
 * send, close. Lowport is measured against it; nobody should run it.
 *
 *     floor PATH       (with CAP_NET_BIND_SERVICE) */

#include <err.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int open_port(uint16_t port) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(fd, SOMAXCONN) < 0)
                err(1, "port %u", port);
        return fd;
}

static void send_socket(int connection, int fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
        char byte = 0;
        struct iovec iov = { &byte, 1 };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_LEN(sizeof(int)),
        };

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        (void)sendmsg(connection, &message, MSG_NOSIGNAL);
}

int main(int argc, char **argv) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        uint16_t port;

        if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
                errx(2, "usage: floor PATH");
        memcpy(address.sun_path, argv[1], strlen(argv[1]));
        if (listener < 0 ||
            bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(listener, SOMAXCONN) < 0)
                err(1, "%s", argv[1]);

        for (;;) {
                int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                while (recv(connection, &port, sizeof(port), 0) == sizeof(port)) {
                        int fd = open_port(port);

                        send_socket(connection, fd);
                        (void)close(fd);
                }
                (void)close(connection);
        }
}
