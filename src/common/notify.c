/* SPDX-License-Identifier: MIT */
#include "common/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/cleanup.h"

int notify_open(void) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t length = path == NULL ? 0 : strlen(path);
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
        _cleanup_fd_ int fd = -1;
        int r;

        if (length < 2)
                return -ENOENT;
        if (length >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
                return -EINVAL;
        memcpy(address.sun_path, path, length);
        if (*path == '@')
                address.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, size) < 0)
                return -errno;
        r = fd;
        fd = -1;
        return r;
}
