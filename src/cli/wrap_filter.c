/* SPDX-License-Identifier: MIT */
#include "cli/wrap_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/wrap_child.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV /* headers before Linux 5.19 */
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* The calls of this machine alone: a 32-bit program's have other numbers. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE AUDIT_ARCH_S390X
#elif defined(__arm__)
#define NATIVE AUDIT_ARCH_ARM
#else
#define NATIVE 0
#endif

#define LOAD(field) \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define SKIP_IF(value, equal, other) \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), equal, other)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

static int add_filter(bool io_uring, int *ret_listener) {
        struct sock_filter filter[] = {
                LOAD(arch),
                SKIP_IF(NATIVE, 0, 3),
                LOAD(nr),
                SKIP_IF(__NR_bind, 2, 0),
                SKIP_IF(io_uring ? __NR_io_uring_setup : __NR_bind, 1, 0),
                RETURN(SECCOMP_RET_ALLOW),
                RETURN(SECCOMP_RET_USER_NOTIF),
        };
        struct sock_fprog program = {
                .len = sizeof(filter) / sizeof(filter[0]),
                .filter = filter,
        };
        long fd;

        if (NATIVE == 0)
                return -ENOSYS;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        /* Without WAIT_KILLABLE_RECV a signal makes the call start anew, after its socket was
         * bound: a program with a timer would see EINVAL. */
        fd = syscall(SYS_seccomp,
                     SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                     &program);
        if (fd < 0)
                return -errno;
        *ret_listener = (int)fd;
        return 0;
}

int wrap_filter_try(void) {
        pid_t pid = wrap_child_new();
        int listener;

        if (pid == 0)
                _exit(-add_filter(false, &listener));
        return pid < 0 ? pid : -wrap_child_wait(pid);
}

int wrap_filter_install(bool io_uring, int *ret_listener) {
        return add_filter(io_uring, ret_listener);
}
