/* SPDX-License-Identifier: MIT */

/* Another library that is preloaded to wrap bind(2): says so on standard output, and goes on. */

#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

int count_bind(int fd, const struct sockaddr *address, socklen_t length) __asm__("bind");

int count_bind(int fd, const struct sockaddr *address, socklen_t length) {
        int (*next)(int, const struct sockaddr *, socklen_t) =
                (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
        int r = next(fd, address, length);

        (void)!write(STDOUT_FILENO,
                     r == 0 ? "counted: bound\n" : "counted: not bound\n",
                     r == 0 ? 15 : 19);
        return r;
}
