/* SPDX-License-Identifier: MIT */
#include "kernel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/cleanup.h"

enum {
        PASSRIGHTS = 83,
        PEERPIDFD = 77,
        THREAD = O_EXCL,
        TCP_BOUND_INACTIVE = 13,
        LANDLOCK_VERSION = 1,
};

struct kernel kernel;

static bool has_passrights(void) {
        static const int off = 0;
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        return setsockopt(fd, SOL_SOCKET, PASSRIGHTS, &off, sizeof(off)) == 0;
}

static bool has_peerpidfd(void) {
        int pair[2], pidfd = -1;
        socklen_t size = sizeof(pidfd);
        bool has = false;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
                has = getsockopt(pair[0], SOL_SOCKET, PEERPIDFD, &pidfd, &size) == 0;
                (void)close(pair[0]);
                (void)close(pair[1]);
        }
        (void)close_fd(pidfd);
        return has;
}

static bool has_thread_pidfd(void) {
        _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, getpid(), THREAD);

        return fd >= 0;
}

static bool has_process_cgroup(void) {
        struct {
                uint64_t mask, cgroup;
                uint32_t rest[12];
        } info = { .mask = 4 };
        _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

        return ioctl(fd, _IOWR(0xff, 11, info), &info) == 0;
}

/* Asks for a socket that is bound to this port and does not listen, and counts the answers. */
static bool lists_port(int netlink, uint16_t port) {
        struct {
                struct nlmsghdr header;
                struct inet_diag_req_v2 request;
        } question = {
                .header = { .nlmsg_len = sizeof(question),
                            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
                .request = { .sdiag_family = AF_INET,
                             .sdiag_protocol = IPPROTO_TCP,
                             .idiag_states = 1U << TCP_BOUND_INACTIVE,
                             .id = { .idiag_sport = port } },
        };
        _Alignas(struct nlmsghdr) char buffer[2048];
        struct nlmsghdr *first = (struct nlmsghdr *)buffer;

        return send(netlink, &question, sizeof(question), 0) == sizeof(question) &&
               recv(netlink, buffer, sizeof(buffer), 0) > (ssize_t)sizeof(*first) &&
               first->nlmsg_type == SOCK_DIAG_BY_FAMILY;
}

static bool lists_bound(void) {
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_fd_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        struct sockaddr_in address = { .sin_family = AF_INET };
        socklen_t size = sizeof(address);

        return bind(fd, (struct sockaddr *)&address, size) == 0 &&
               getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
               lists_port(netlink, address.sin_port);
}

void kernel_find_out(void) {
        long landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);

        kernel = (struct kernel){
                .passrights = has_passrights(),
                .peerpidfd = has_peerpidfd(),
                .lists_bound = lists_bound(),
                .thread_pidfd = has_thread_pidfd(),
                .process_cgroup = has_process_cgroup(),
                .landlock = landlock > 0 ? (int)landlock : 0,
        };
}

static void print(const char *name, bool has) {
        printf("%s\t%s\t\t\n", name, has ? "yes" : "no");
}

void kernel_print(void) {
        struct utsname names;

        (void)uname(&names);
        printf("kernel\t%s\t\t\n", names.release);
        print("has SO_PASSRIGHTS", kernel.passrights);
        print("has SO_PEERPIDFD", kernel.peerpidfd);
        print("has PIDFD_THREAD", kernel.thread_pidfd);
        print("has PIDFD_GET_INFO", kernel.process_cgroup);
        print("lists bound TCP sockets", kernel.lists_bound);
        printf("Landlock ABI\t%d\t\t\n", kernel.landlock);
}
