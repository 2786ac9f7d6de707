/* SPDX-License-Identifier: MIT */

/* bind(2) for a program that this module was preloaded into. The next bind() in the chain is called
 * first, and has the last word unless it says EACCES for an IP address with a port.
 *
 * POSIX lets programs call bind(2) in a signal handler, and the child of vfork(2) borrows its
 * parent's memory: no locks, no allocation, no stdio streams here or in what is called. */

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/own.h"
#include "preload/complaint.h"

typedef int bind_function(int, const struct sockaddr *, socklen_t);

/* libc declares bind() with a type of its own for the address. */
__attribute__((visibility("default"))) bind_function preload_bind __asm__("bind");

static _Atomic(bind_function *) next;

/* Where the dynamic linker knows no other. */
static int bind_in_kernel(int fd, const struct sockaddr *address, socklen_t length) {
        return (int)syscall(SYS_bind, fd, address, length);
}

/* Two threads may look at once, and find the same. */
static bind_function *find_next(void) {
        bind_function *found = atomic_load_explicit(&next, memory_order_acquire);

        if (found == NULL) {
                found = (bind_function *)dlsym(RTLD_NEXT, "bind");
                if (found == NULL)
                        found = bind_in_kernel;
                atomic_store_explicit(&next, found, memory_order_release);
        }
        return found;
}

/* dlsym(3) takes a lock. Only the constructors of other libraries, which may run before this one,
 * can come too early for it. */
__attribute__((constructor)) static void find_next_early(void) {
        (void)find_next();
}

/* Apart, so that a bind(2) that is none of our business takes no stack. Returns 0 or a negative
 * errno. */
__attribute__((noinline)) static int ask(int fd, const struct sockaddr *address, socklen_t length) {
        int cancel = PTHREAD_CANCEL_ENABLE, r;
        struct lowport lp;

        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
        r = own_bind_or_keep(&lp, NULL, fd, address, length);
        if (r < 0)
                complaint_write(&lp, fd, address, length);
        (void)pthread_setcancelstate(cancel, NULL);
        return r;
}

int preload_bind(int fd, const struct sockaddr *address, socklen_t length) {
        int before = errno, r;

        r = find_next()(fd, address, length) == 0 ? 0 : -errno;
        if (r < 0 && own_may_help(-r, address, length))
                r = ask(fd, address, length);
        errno = r == 0 ? before : -r;
        return r == 0 ? 0 : -1;
}
