/* SPDX-License-Identifier: MIT */
#include "cli/wrap_target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Linux 6.9: a pidfd of a thread, whose descriptors may be its own. */
enum { THREAD = O_EXCL };

int wrap_target_look(pid_t tid, struct wrap_target *ret) {
        struct wrap_target target = { .tid = tid };
        unsigned long long capabilities = 0;
        char path[64], line[128];
        unsigned found = 0;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
        file = fopen(path, "re");
        if (file == NULL)
                return -ESRCH;
        while (fgets(line, sizeof(line), file) != NULL) {
                found += sscanf(line, "Tgid: %d", &target.pid) == 1;
                found += sscanf(line, "Uid: %*u %u", &target.uid) == 1;
                found += sscanf(line, "CapEff: %llx", &capabilities) == 1;
        }
        (void)fclose(file);
        if (found != 3)
                return -ESRCH;
        target.capable = (capabilities >> CAP_NET_BIND_SERVICE & 1) != 0;
        *ret = target;
        return 0;
}

void wrap_target_name(pid_t pid, char ret[WRAP_TARGET_NAME]) {
        char path[64];
        size_t n = 0;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
        file = fopen(path, "re");
        if (file != NULL) {
                n = fread(ret, 1, WRAP_TARGET_NAME - 1, file);
                (void)fclose(file);
        }
        ret[n] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
        for (char *c = ret; *c != '\0'; c++)
                if (*c < ' ' || *c > '~')
                        *c = '?';
        if (ret[0] == '\0')
                memcpy(ret, "a program", sizeof("a program"));
}

int wrap_target_read(pid_t tid, uint64_t from, void *ret, size_t size) {
        struct iovec here = { .iov_base = ret, .iov_len = size };
        struct iovec there = { .iov_base = (void *)(uintptr_t)from, .iov_len = size };
        ssize_t n = process_vm_readv(tid, &here, 1, &there, 1, 0);

        if (n < 0)
                return -errno;
        return (size_t)n == size ? 0 : -EFAULT;
}

static int open_process(pid_t pid, unsigned flags) {
        long fd = syscall(SYS_pidfd_open, pid, flags);

        return fd < 0 ? -errno : (int)fd;
}

/* Opens what the descriptors of the thread can be taken from. */
static int open_target(const struct wrap_target *target) {
        int fd;

        if (target->tid == target->pid)
                return open_process(target->pid, 0);
        fd = open_process(target->tid, THREAD);
        if (fd != -EINVAL)
                return fd;
        /* The process stands for the thread unless it is known not to. */
        if (syscall(SYS_kcmp, target->pid, target->tid, KCMP_FILES, 0L, 0L) > 0)
                return -EXDEV;
        return open_process(target->pid, 0);
}

int wrap_target_descriptor(const struct wrap_target *target, int number, int *ret_fd) {
        _cleanup_fd_ int process = open_target(target);
        long fd;

        if (process < 0)
                return process;
        fd = syscall(SYS_pidfd_getfd, process, number, 0);
        if (fd < 0)
                return -errno;
        *ret_fd = (int)fd;
        return 0;
}

/* The network namespace that a socket is in; 0: not known. */
static uint64_t network_of(int fd) {
        uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);

        if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
                return 0;
        return cookie;
}

static bool shares_user_namespace(pid_t tid) {
        struct stat ours, theirs;
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)tid);
        if (stat("/proc/self/ns/user", &ours) < 0 || stat(path, &theirs) < 0)
                return true;
        return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

bool wrap_target_may_bind(const struct wrap_target *target, int socket_) {
        _cleanup_fd_ int own = -1;

        if (!target->capable)
                return false;
        if (shares_user_namespace(target->tid))
                return true;
        /* The root of a user namespace below ours has no say in our network, only in one that was
         * made in there. */
        own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return own < 0 || network_of(own) == 0 || network_of(own) != network_of(socket_);
}
