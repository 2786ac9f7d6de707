/* SPDX-License-Identifier: MIT */
#include "policy/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* Returns a descriptor, or -1 with errno.
 * MFD_NOEXEC_SEAL is refused by kernels before 6.3, and where the sysctl vm.memfd_noexec is set
 * nothing else is allowed. It implies MFD_ALLOW_SEALING. */
static int new_memfd(void) {
        int fd = memfd_create("lowport-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

        if (fd < 0 && errno == EINVAL)
                fd = memfd_create("lowport-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return fd;
}

int sealed_new(const void *data, size_t size, int *ret_fd) {
        _cleanup_fd_ int fd = new_memfd();

        if (fd < 0)
                return -errno;
        for (size_t done = 0; done < size;) {
                ssize_t n = write(fd, (const char *)data + done, size - done);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        done += (size_t)n;
        }
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
                return -errno;
        *ret_fd = fd;
        fd = -1;
        return 0;
}
