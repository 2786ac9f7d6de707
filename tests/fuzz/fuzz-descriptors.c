/* SPDX-License-Identifier: MIT */
#include "fuzz-descriptors.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

enum { LOOKED_AT = 24, FDS_MAX = 3 };

uint64_t fuzz_open_descriptors(void) {
        uint64_t open = 0;

        for (int fd = 0; fd < LOOKED_AT; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        open |= UINT64_C(1) << fd;
        return open;
}

void fuzz_send(int socket, const void *data, size_t size, unsigned n_fds) {
        const int fds[FDS_MAX] = { socket, socket, socket };
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(fds))];
        } control = { 0 };
        struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        (void)sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}
