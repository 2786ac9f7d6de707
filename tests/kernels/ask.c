/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "daemon.h"
#include "people.h"
#include "scenario.h"

struct wire_request
ask_for(uint16_t operation, uint8_t protocol, const char *address, uint16_t port) {
        bool v6 = strchr(address, ':') != NULL;
        struct wire_request request = {
                .version = WIRE_VERSION,
                .operation = operation,
                .protocol = protocol,
                .family = v6 ? ADDRESS_V6 : ADDRESS_V4,
                .port = port,
        };

        if (inet_pton(v6 ? AF_INET6 : AF_INET, address, request.address) != 1)
                fail("%s is no address", address);
        return request;
}

int ask_send(int connection, const void *data, size_t size, const int *fds, size_t n_fds) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(ASK_DESCRIPTORS * sizeof(int))] = { 0 };
        struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                struct cmsghdr *header = (struct cmsghdr *)control;

                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = (unsigned)CMSG_LEN(n_fds * sizeof(int)); /* narrower in musl */
                memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
                message.msg_control = control;
                message.msg_controllen = header->cmsg_len;
        }
        /* musl's sendmsg(3) takes no more than a kilobyte of them. */
        return syscall(SYS_sendmsg, connection, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

struct answer ask_receive(int connection) {
        struct answer answer = { .fd = -1 };
        ssize_t n = fdpass_receive(connection, &answer.reply, sizeof(answer.reply), 0, &answer.fd);

        answer.closed = n == 0 || n == -ECONNRESET;
        if (n != sizeof(answer.reply) && !answer.closed)
                fail("a reply of %zd bytes", n);
        return answer;
}

bool ask_is_answered(int connection, int wait) {
        struct pollfd poller = { .fd = connection, .events = POLLIN };

        return poll(&poller, 1, wait) > 0;
}

struct answer
ask_with(int connection, const struct wire_request *request, const int *fds, size_t n_fds) {
        struct answer answer = { .fd = -1 };
        int r = ask_send(connection, request, sizeof(*request), fds, n_fds);

        if (r == 0)
                return ask_receive(connection);
        answer.closed = true;
        answer.send_error = -r;
        return answer;
}

struct answer ask_on(int connection, const struct wire_request *request) {
        return ask_with(connection, request, NULL, 0);
}

static int connect_for(uid_t uid, const char *path) {
        int connection = people_connect(uid, path);

        if (connection < 0)
                fail("%s as user %u: %s", path, uid, strerror(errno));
        return connection;
}

struct answer ask_open(uid_t uid, uint8_t protocol, const char *address, uint16_t port) {
        struct wire_request request = ask_for(WIRE_OPEN, protocol, address, port);
        _cleanup_fd_ int connection = connect_for(uid, DAEMON_SOCKET);

        return ask_on(connection, &request);
}

int ask_granted(uid_t uid, uint8_t protocol, const char *address, uint16_t port) {
        struct answer answer = ask_open(uid, protocol, address, port);

        if (answer.closed || answer.reply.reason != LOWPORT_GRANTED || answer.fd < 0)
                fail("port %u: %s",
                     port,
                     answer.closed ? "no answer"
                                   : lowport_reason_text((enum lowport_reason)answer.reply.reason));
        return answer.fd;
}

enum lowport_reason
ask_own(uid_t uid, int fd, uint8_t protocol, const char *address, uint16_t port) {
        struct wire_request request = ask_for(WIRE_CHECK, protocol, address, port);
        _cleanup_fd_ int connection = connect_for(uid, DAEMON_OWN_SOCKET);
        struct answer answer = ask_on(connection, &request);

        request.operation = WIRE_OWN;
        if (!answer.closed && answer.reply.reason == LOWPORT_GRANTED)
                answer = ask_with(connection, &request, &fd, 1);
        if (answer.closed)
                fail("port %u: no answer (%s)", port, strerror(answer.send_error));
        return (enum lowport_reason)answer.reply.reason;
}

static socklen_t name_of(const char *address, uint16_t port, struct sockaddr_storage *ret) {
        struct wire_request request = ask_for(WIRE_OPEN, 0, address, port);
        struct address place = { .family = request.family };

        memcpy(place.bytes, request.address, sizeof(place.bytes));
        return address_to_sockaddr(&place, port, false, ret);
}

bool ask_is_served(int fd, uint8_t protocol, const char *address, uint16_t port) {
        bool tcp = protocol == IPPROTO_TCP;
        struct sockaddr_storage name;
        socklen_t size = name_of(address, port, &name);
        _cleanup_fd_ int client =
                socket(name.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
        _cleanup_fd_ int server = -1;
        char byte = 0;

        if (client < 0 || connect(client, (struct sockaddr *)&name, size) < 0 ||
            send(client, "x", 1, MSG_NOSIGNAL) != 1 || !ask_is_answered(fd, 5000))
                return false;
        if (tcp)
                server = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        return recv(tcp ? server : fd, &byte, 1, 0) == 1 && byte == 'x';
}
