/* SPDX-License-Identifier: MIT */
#include "common/fdpass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"

/* CMSG_LEN, not CMSG_SPACE: with the padding of CMSG_SPACE(sizeof(int)) the kernel would install
 * two descriptors. */
union control {
        struct cmsghdr header;
        char bytes[CMSG_LEN(sizeof(int))];
};

int fdpass_send(int socket, const void *data, size_t size, int fd) {
        union control control = { 0 };
        struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (fd >= 0) {
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
                message.msg_control = &control;
                message.msg_controllen = sizeof(control.bytes);
        }
        return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Takes the descriptor out of what was received. Anything else there would be a surprise: only
 * SCM_RIGHTS comes unasked. */
static int
take_descriptor(const struct msghdr *message, const union control *control, int *ret_fd) {
        if (message->msg_controllen < sizeof(control->bytes))
                return 0;
        if (control->header.cmsg_level != SOL_SOCKET || control->header.cmsg_type != SCM_RIGHTS ||
            control->header.cmsg_len != CMSG_LEN(sizeof(int)))
                return -EBADMSG;
        memcpy(ret_fd, CMSG_DATA(&control->header), sizeof(*ret_fd));
        return 0;
}

ssize_t fdpass_receive(int socket, void *data, size_t size, int flags, int *ret_fd) {
        union control control = { 0 };
        struct iovec iov = { .iov_base = data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
        _cleanup_fd_ int fd = -1;

        if (ret_fd != NULL) {
                message.msg_control = &control;
                message.msg_controllen = sizeof(control.bytes);
        }

        /* MSG_TRUNC: the datagram's own size, also where it was longer than the buffer. */
        ssize_t n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC);

        if (n < 0)
                return -errno;
        if (ret_fd == NULL)
                return n;
        if (take_descriptor(&message, &control, &fd) < 0 || (message.msg_flags & MSG_CTRUNC) != 0)
                return -EBADMSG;
        *ret_fd = fd;
        fd = -1;
        return n;
}

/* unix(7): MSG_PEEK without a control buffer installs nothing, and MSG_CTRUNC says what it left out. */
bool fdpass_brings_descriptors(int socket) {
        char byte;
        struct iovec iov = { .iov_base = &byte, .iov_len = sizeof(byte) };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        return recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT) >= 0 &&
               (message.msg_flags & MSG_CTRUNC) != 0;
}
