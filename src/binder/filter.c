/* SPDX-License-Identifier: MIT */

/* Not a part of lowport-binder, but a program that runs when it is built: it prints the filter of
 * system calls that confinement.c loads, as an array for C. So libseccomp sees to what is easily
 * got wrong (machines, numbers, jumps), and the binder holds neither it nor memory for it.
 *
 * The list is one for the parent and its workers. A filter of each worker's own would cost every
 * fork more than all that a worker else does at birth, and the kernel a copy of it for each. What
 * the parent alone needs comes last; confinement.c says how workers are kept from it. */

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* In the kernel's headers only of late. */
enum { OPTION_PASSRIGHTS = 83, RULE_PORT = 2 };

enum { CONDITIONS_MAX = 3 };

/* A call is allowed when all conditions of one of its lines hold. */
struct line {
        const char *call;
        struct scmp_arg_cmp conditions[CONDITIONS_MAX];
};

#define ALWAYS(name) \
        { .call = (name) }
#define WHEN(name, ...)                                       \
        {                                                     \
                .call = (name), .conditions = { __VA_ARGS__ } \
        }
#define IS(argument, value) \
        { (argument), SCMP_CMP_EQ, (scmp_datum_t)(value), 0 }
/* Of the bits in `mask`, exactly those of `value`. */
#define BITS(argument, mask, value) \
        { (argument), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value) }
#define TYPE(type) BITS(1, ~(SOCK_CLOEXEC | SOCK_NONBLOCK), type)
#define INTERNET(type, protocol)                                     \
        WHEN("socket", IS(0, AF_INET), TYPE(type), IS(2, protocol)), \
                WHEN("socket", IS(0, AF_INET6), TYPE(type), IS(2, protocol))
#define OPTION(level, option) WHEN("setsockopt", IS(1, level), IS(2, option))
#define COMMAND(command)      WHEN("fcntl", IS(1, command)), WHEN("fcntl64", IS(1, command))

static const struct line lines[] = {
        /* The client, and the socket. */
        ALWAYS("accept4"),
        ALWAYS("getsockopt"),
        ALWAYS("getsockname"),
        ALWAYS("recvmsg"),
        ALWAYS("recvfrom"),
        /* Mustn't: open a connection, which MSG_FASTOPEN does without connect(2). */
        WHEN("sendmsg", BITS(2, MSG_FASTOPEN, 0)),
        WHEN("sendto", BITS(3, MSG_FASTOPEN, 0)),
        /* Mustn't: make one of MPTCP, which takes a TCP port and whose bind(2) Landlock lets pass. */
        INTERNET(SOCK_STREAM, IPPROTO_TCP),
        INTERNET(SOCK_STREAM, IPPROTO_SCTP),
        INTERNET(SOCK_DGRAM, IPPROTO_UDP),
        WHEN("socket", IS(0, AF_NETLINK), TYPE(SOCK_RAW), IS(2, NETLINK_SOCK_DIAG)),
        WHEN("socketpair", IS(0, AF_UNIX)),
        OPTION(SOL_SOCKET, SO_REUSEADDR),
        OPTION(SOL_SOCKET, SO_BINDTOIFINDEX),
        OPTION(SOL_SOCKET, SO_RCVTIMEO),
        OPTION(SOL_SOCKET, OPTION_PASSRIGHTS),
        OPTION(IPPROTO_IP, IP_FREEBIND),
        OPTION(IPPROTO_IPV6, IPV6_V6ONLY),
        OPTION(IPPROTO_IPV6, IPV6_FREEBIND),
        ALWAYS("capset"),
        ALWAYS("bind"),
        ALWAYS("listen"),
        ALWAYS("shutdown"),
        WHEN("ioctl", IS(1, SIOCOUTQ)),
        /* Of a descriptor. Mustn't: look at files by name; but see SECURITY.md. */
        WHEN("newfstatat", IS(3, AT_EMPTY_PATH)),
        ALWAYS("fstat"),
        ALWAYS("fstat64"),
        WHEN("statx", BITS(2, AT_EMPTY_PATH, AT_EMPTY_PATH)),

        /* Records, the parent, the other workers. */
        ALWAYS("write"),
        ALWAYS("writev"),
        ALWAYS("close"),
        COMMAND(F_DUPFD_CLOEXEC),
        ALWAYS("poll"),
        ALWAYS("ppoll"),
        ALWAYS("ppoll_time64"),
        ALWAYS("futex"),
        ALWAYS("futex_time64"),
        WHEN("pidfd_send_signal", IS(1, 0)), /* does it live? */

        /* The C library's own. */
        ALWAYS("nanosleep"),
        ALWAYS("clock_nanosleep"),
        ALWAYS("clock_nanosleep_time64"),
        ALWAYS("clock_gettime"),
        ALWAYS("clock_gettime64"),
        ALWAYS("getppid"),
        ALWAYS("gettid"),
        ALWAYS("rt_sigprocmask"),
        ALWAYS("rt_sigreturn"),
        ALWAYS("sigreturn"),
        ALWAYS("restart_syscall"),
        ALWAYS("set_robust_list"),
        ALWAYS("exit_group"),

        /* At a worker's birth; each of these only takes away. */
        WHEN("prctl", IS(0, PR_SET_PDEATHSIG)),
        WHEN("prlimit64", IS(0, 0), IS(1, RLIMIT_NPROC), IS(3, 0)),
        ALWAYS("landlock_restrict_self"),

        /* The parent. */
        ALWAYS("landlock_create_ruleset"),
        WHEN("landlock_add_rule", IS(1, RULE_PORT)),
        COMMAND(F_GET_SEALS),
        WHEN("mmap", IS(2, PROT_READ), BITS(3, MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED)),
        WHEN("mmap2", IS(2, PROT_READ), BITS(3, MAP_SHARED | MAP_ANONYMOUS, MAP_SHARED)),
        ALWAYS("munmap"),
        ALWAYS("read"),
        ALWAYS("getpid"),
        ALWAYS("wait4"),
        WHEN("kill", IS(1, SIGUSR1)),
        WHEN("kill", IS(1, SIGKILL)),
        /* A process like itself: no thread, no namespace. */
        WHEN("clone", BITS(0, ~(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID), SIGCHLD)),
        ALWAYS("fork"),
};

static unsigned count_conditions(const struct line *line) {
        unsigned n = 0;

        while (n < CONDITIONS_MAX && line->conditions[n].op != 0)
                n++;
        return n;
}

/* A call that this machine has not (32 bits have other names for some) is passed over. */
static int add_lines(scmp_filter_ctx filter) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < sizeof(lines) / sizeof(lines[0]); i++) {
                int call = seccomp_syscall_resolve_name(lines[i].call);

                if (call == __NR_SCMP_ERROR) {
                        (void)fprintf(stderr, "%s: libseccomp does not know it\n", lines[i].call);
                        return -EINVAL;
                }
                r = seccomp_rule_add_array(filter,
                                           SCMP_ACT_ALLOW,
                                           call,
                                           count_conditions(&lines[i]),
                                           lines[i].conditions);
        }
        return r;
}

/* The filter, as the kernel takes it: eight bytes an instruction. */
static int print(scmp_filter_ctx filter) {
        struct {
                uint16_t code;
                uint8_t jt, jf;
                uint32_t k;
        } instruction;
        FILE *file = tmpfile();
        int r = file == NULL ? -errno : seccomp_export_bpf(filter, fileno(file));

        if (r < 0)
                return r;
        rewind(file);
        while (fread(&instruction, sizeof(instruction), 1, file) == 1)
                (void)printf("{ 0x%02x, %u, %u, 0x%08x },\n",
                             instruction.code,
                             instruction.jt,
                             instruction.jf,
                             instruction.k);
        (void)fclose(file);
        return fflush(stdout) == 0 ? 0 : -errno;
}

/* Mustn't: let anything pass that is of another machine's numbers (32-bit calls on 64 bits), which
 * is libseccomp's default. */
int main(int argc, char **argv) {
        bool kill = argc == 3 && strcmp(argv[2], "kill") == 0;
        uint32_t machine = argc == 3 ? seccomp_arch_resolve_name(argv[1]) : 0;
        scmp_filter_ctx filter;
        int r;

        if (machine == 0 || (!kill && strcmp(argv[2], "errno") != 0)) {
                (void)fprintf(stderr, "usage: filter MACHINE kill|errno\n");
                return EXIT_FAILURE;
        }
        filter = seccomp_init(kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
        r = filter == NULL ? -ENOMEM : 0;
        if (r == 0 && machine != seccomp_arch_native()) {
                r = seccomp_arch_add(filter, machine);
                if (r == 0)
                        r = seccomp_arch_remove(filter, seccomp_arch_native());
        }
        /* Found by halves, not from the top: a call is some jumps, not some sixty. */
        if (r == 0)
                r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (r == 0)
                r = add_lines(filter);
        if (r == 0)
                r = print(filter);
        seccomp_release(filter);
        if (r < 0)
                (void)fprintf(stderr, "filter: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
