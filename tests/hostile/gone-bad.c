/* SPDX-License-Identifier: MIT */

/* A worker gone bad: lowport-binder itself, but that a worker, when it is to decide on port 666,
 * tries what an intruder in it would, and tells on standard error what came of each. Never
 * installed; tests/hostile/test_53_a_worker_gone_bad.py runs it. */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binder/capability.h"
#include "binder/confinement.h"
#include "common/cleanup.h"
#include "policy/decide.h"

enum { LOOSE = 666 };

/* What the linker calls these with -Wl,--wrap. */
struct verdict __wrap_decide(const struct ruleset *rules,
                             const struct subject *subject,
                             const struct request *request);
struct verdict __real_decide(const struct ruleset *rules,
                             const struct subject *subject,
                             const struct request *request);

/* ---- attempts; each returns 0, or -1 with errno ---- */

static int bind_to(int type, int protocol, uint16_t port) {
        const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        _cleanup_fd_ int fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol);
        int r;

        if (fd < 0)
                return -1;
        capability_raise();
        r = bind(fd, (const struct sockaddr *)&address, sizeof(address));
        capability_lower();
        return r;
}

static int bind_granted_tcp(void) {
        return bind_to(SOCK_STREAM, IPPROTO_TCP, 80);
}

static int bind_other_tcp(void) {
        return bind_to(SOCK_STREAM, IPPROTO_TCP, 81);
}

static int bind_other_mptcp(void) {
        return bind_to(SOCK_STREAM, IPPROTO_MPTCP, 81);
}

static int bind_other_udp(void) {
        return bind_to(SOCK_DGRAM, IPPROTO_UDP, 81);
}

static int connect_tcp(void) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(9),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

        return connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

static int connect_by_fast_open(void) {
        const struct sockaddr_in address = {
                .sin_family = AF_INET,
                .sin_port = htons(9),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
        ssize_t n = sendto(fd,
                           "x",
                           1,
                           MSG_FASTOPEN | MSG_NOSIGNAL,
                           (const struct sockaddr *)&address,
                           sizeof(address));

        return n < 0 ? -1 : 0;
}

static int make_socket(int domain, int type, int protocol) {
        _cleanup_fd_ int fd = socket(domain, type | SOCK_CLOEXEC, protocol);

        return fd < 0 ? -1 : 0;
}

static int make_unix_socket(void) {
        return make_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int make_raw_socket(void) {
        return make_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int make_packet_socket(void) {
        return make_socket(AF_PACKET, SOCK_DGRAM, 0);
}

static int make_route_socket(void) {
        return make_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int attach_a_filter(void) {
        struct sock_filter all = { BPF_RET | BPF_K, 0, 0, UINT32_MAX };
        const struct sock_fprog program = { .len = 1, .filter = &all };
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);

        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int share_a_port(void) {
        const int on = 1;
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

        return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

static int open_a_file(void) {
        _cleanup_fd_ int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -1 : 0;
}

static int open_by_openat2(void) {
        const uint64_t how[3] = { O_RDONLY | O_CLOEXEC };
        _cleanup_fd_ int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how));

        return fd < 0 ? -1 : 0;
}

static int make_a_file(void) {
        _cleanup_fd_ int fd = open("/run/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        return fd < 0 ? -1 : 0;
}

static int remove_a_file(void) {
        return unlink("/run/tmp/no-such-file") == 0 || errno == ENOENT ? 0 : -1;
}

static int make_memory_file(void) {
        _cleanup_fd_ int fd = memfd_create("x", MFD_CLOEXEC);

        return fd < 0 ? -1 : 0;
}

static int start_a_program(void) {
        static char name[] = "/no-such-program";
        char *const arguments[] = { name, NULL };

        /* ENOENT: it might have. */
        return execve(name, arguments, NULL) == 0 || errno == ENOENT ? 0 : -1;
}

static int fork_a_child(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid < 0 || waitpid(pid, NULL, 0) < 0 ? -1 : 0;
}

static int end_at_once(void *nothing) {
        return nothing != NULL;
}

static int share_its_memory(void) {
        static char stack[65536] __attribute__((aligned(16)));
        pid_t pid = clone(end_at_once, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

        return pid < 0 || waitpid(pid, NULL, 0) < 0 ? -1 : 0;
}

static int new_user_namespace(void) {
        return unshare(CLONE_NEWUSER);
}

static int trace_the_parent(void) {
        if (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0)
                return -1;
        (void)waitpid(getppid(), NULL, 0);
        return (int)ptrace(PTRACE_DETACH, getppid(), NULL, NULL);
}

static int read_the_parent(void) {
        char byte;
        const struct iovec here = { .iov_base = &byte, .iov_len = 1 };
        const struct iovec there = { .iov_base = (void *)(uintptr_t)&start_a_program,
                                     .iov_len = 1 };

        return process_vm_readv(getppid(), &here, 1, &there, 1, 0) < 0 ? -1 : 0;
}

static int take_a_descriptor(void) {
        _cleanup_fd_ int process = (int)syscall(SYS_pidfd_open, getppid(), 0);
        _cleanup_fd_ int fd =
                process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, STDERR_FILENO, 0);

        return fd < 0 ? -1 : 0;
}

/* The parent has a handler for it, so that the one that is not kept from it does no harm. */
static int signal_the_parent(void) {
        return kill(getppid(), SIGUSR1);
}

static int signal_a_thread(void) {
        return (int)syscall(SYS_tgkill, getppid(), getppid(), SIGUSR1);
}

static int make_code(void) {
        void *page = mmap(
                NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return page == MAP_FAILED ? -1 : munmap(page, 4096);
}

static int make_code_later(void) {
        static char page[8192];
        char *aligned = (char *)(((uintptr_t)page + 4095) & ~(uintptr_t)4095);

        return mprotect(aligned, 4096, PROT_READ | PROT_EXEC) < 0 ||
                               mprotect(aligned, 4096, PROT_READ | PROT_WRITE) < 0
                       ? -1
                       : 0;
}

static int leave_a_core(void) {
        return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int raise_a_limit(void) {
        const struct rlimit limit = { .rlim_cur = 16, .rlim_max = 16 };

        return setrlimit(RLIMIT_NPROC, &limit);
}

static int load_bpf(void) {
        return syscall(SYS_bpf, 0, NULL, 0) == 0 || errno == E2BIG || errno == EINVAL ? 0 : -1;
}

static int use_io_uring(void) {
        char parameters[120] = { 0 };
        _cleanup_fd_ int fd = (int)syscall(SYS_io_uring_setup, 1, parameters);

        return fd < 0 ? -1 : 0;
}

static int use_a_key(void) {
        return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1) < 0 ? -1 : 0;
}

static int mount_something(void) {
        return mount("none", "/", NULL, MS_REMOUNT, NULL);
}

static const struct {
        const char *name;
        int (*attempt)(void);
} attempts[] = {
        { "bind a granted TCP port", bind_granted_tcp },
        { "bind another TCP port", bind_other_tcp },
        { "bind another port by MPTCP", bind_other_mptcp },
        { "bind another UDP port", bind_other_udp },
        { "connect", connect_tcp },
        { "connect by MSG_FASTOPEN", connect_by_fast_open },
        { "make a Unix socket", make_unix_socket },
        { "make a raw socket", make_raw_socket },
        { "make a packet socket", make_packet_socket },
        { "make a routing socket", make_route_socket },
        { "attach a filter to a socket", attach_a_filter },
        { "set SO_REUSEPORT", share_a_port },
        { "open a file", open_a_file },
        { "open a file by openat2", open_by_openat2 },
        { "make a file", make_a_file },
        { "remove a file", remove_a_file },
        { "make a file in memory", make_memory_file },
        { "start a program", start_a_program },
        { "fork", fork_a_child },
        { "start a process in its memory", share_its_memory },
        { "make a user namespace", new_user_namespace },
        { "trace the parent", trace_the_parent },
        { "read the parent's memory", read_the_parent },
        { "take a descriptor of the parent", take_a_descriptor },
        { "signal the parent", signal_the_parent },
        { "signal a thread of the parent", signal_a_thread },
        { "map memory as code", make_code },
        { "make memory code", make_code_later },
        { "be dumpable", leave_a_core },
        { "raise a limit", raise_a_limit },
        { "load BPF", load_bpf },
        { "use io_uring", use_io_uring },
        { "use a keyring", use_a_key },
        { "mount", mount_something },
};

struct verdict __wrap_decide(const struct ruleset *rules,
                             const struct subject *subject,
                             const struct request *request) {
        for (size_t i = 0; request->port == LOOSE && i < sizeof(attempts) / sizeof(attempts[0]);
             i++) {
                char line[128];
                int r, n;

                errno = 0;
                r = attempts[i].attempt();
                n = snprintf(line,
                             sizeof(line),
                             "attempt: %s: %s\n",
                             attempts[i].name,
                             r == 0 ? "done" : strerrorname_np(errno));
                (void)!write(STDERR_FILENO, line, (size_t)n);
        }
        return __real_decide(rules, subject, request);
}

#ifdef UNCONFINED /* for comparison: that the attempts are good ones */
uint32_t confinement_enter(void) {
        return 0;
}

int confinement_of_worker(const struct ruleset *rules, uint32_t *protections) {
        (void)rules;
        (void)protections;
        return -1;
}

int confinement_enter_worker(int landlock) {
        return landlock < 0 ? 0 : -1;
}
#endif
