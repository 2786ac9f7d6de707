/* SPDX-License-Identifier: MIT */
#include "cli/wrap_retreat.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

enum { KEPT = 3 }; /* the socket's new number */

static void block_signals(void) {
        struct sigaction usual = { .sa_handler = SIG_DFL };
        sigset_t all;

        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, NULL);
        /* Where it is ignored, children leave nothing to wait for. */
        (void)sigaction(SIGCHLD, &usual, NULL);
}

/* A pipe that only we held would keep its reader waiting. */
static int close_descriptors(int *socket, bool quiet) {
        _cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0)
                return -errno;
        if (quiet || fcntl(STDERR_FILENO, F_GETFD) < 0)
                (void)dup2(null, STDERR_FILENO);
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        if (*socket != KEPT && dup3(*socket, KEPT, O_CLOEXEC) < 0)
                return -errno;
        *socket = KEPT;
        (void)syscall(SYS_close_range, KEPT + 1U, ~0U, 0U);
        null = -1;
        return 0;
}

/* With it, bind(2) on a target's socket would succeed for a target that has given it up. The other
 * capabilities stay: a process may not look into one that has more than itself. */
static int drop_capability(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
        const unsigned bit = 1U << CAP_NET_BIND_SERVICE;

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        data[0].effective &= ~bit;
        data[0].permitted &= ~bit;
        data[0].inheritable &= ~bit;
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* The program's limit need not be ours. */
static void raise_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int wrap_retreat(int *socket, bool quiet) {
        int r;

        block_signals();
        raise_limit();
        (void)setsid();
        (void)!chdir("/");
        (void)prctl(PR_SET_NAME, "lowport-wrap");
        r = close_descriptors(socket, quiet);
        return r < 0 ? r : drop_capability();
}
