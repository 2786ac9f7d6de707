/* SPDX-License-Identifier: MIT */
#include "binder/holder.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/cleanup.h"

/* The states asked for, as bits. TCP_BOUND_INACTIVE came with Linux 6.8; older kernels list none. */
enum {
        ALL_STATES = -1,
        TCP_BOUND_INACTIVE = 13,
};

struct question {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
};

static int ask(int netlink, const struct request *request, uint8_t family) {
        bool tcp = request->protocol == IPPROTO_TCP;
        struct question question = {
                .header = {
                        .nlmsg_len = sizeof(question),
                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                },
                .request = {
                        .sdiag_family = family,
                        .sdiag_protocol = request->protocol,
                        .idiag_states = tcp ? 1U << TCP_BOUND_INACTIVE : (uint32_t)ALL_STATES,
                        .id = { .idiag_sport = htons(request->port) },
                },
        };

        return send(netlink, &question, sizeof(question), 0) == sizeof(question) ? 0 : -1;
}

/* Does it hold an address that the request is to take, too? A dual-stack [::] is all zero, like
 * 0.0.0.0. */
static bool overlaps(const struct inet_diag_msg *found, const struct request *request) {
        struct address address = {
                .family = found->idiag_family == AF_INET ? ADDRESS_V4 : ADDRESS_V6,
        };
        bool v6only = (request->flags & LOWPORT_V6ONLY) != 0;

        memcpy(address.bytes, found->id.idiag_src, address.family == ADDRESS_V4 ? 4 : 16);
        address_normalise(&address);
        if (request->address.family == ADDRESS_V6 && v6only && address.family == ADDRESS_V4)
                return false;
        return address_is_wildcard(&address) || address_is_wildcard(&request->address) ||
               (address.family == request->address.family &&
                memcmp(address.bytes, request->address.bytes, sizeof(address.bytes)) == 0);
}

static bool
is_other(const struct inet_diag_msg *found, const struct request *request, uint32_t uid) {
        /* That the kernel sorts by port as well only makes it faster. */
        return found->id.idiag_sport == htons(request->port) && found->idiag_uid != uid &&
               overlaps(found, request);
}

/* Reads one answer to its end. */
static bool find_other(int netlink, const struct request *request, uint32_t uid) {
        _Alignas(struct nlmsghdr) static char buffer[16384];
        bool other = false;

        for (;;) {
                ssize_t left = recv(netlink, buffer, sizeof(buffer), 0);
                struct nlmsghdr *m = (struct nlmsghdr *)buffer;

                if (left <= 0)
                        return true;
                for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
                        if (m->nlmsg_type == NLMSG_DONE)
                                return other;
                        if (m->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)) ||
                            m->nlmsg_type == NLMSG_ERROR)
                                return true;
                        other = other || is_other(NLMSG_DATA(m), request, uid);
                }
        }
}

bool holder_is_other(const struct request *request, uint32_t uid) {
        static const struct timeval patience = { .tv_sec = 1 };
        static const uint8_t families[] = { AF_INET, AF_INET6 };
        _cleanup_fd_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

        if (netlink < 0 ||
            setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                return true;
        for (size_t i = 0; i < sizeof(families); i++)
                if (ask(netlink, request, families[i]) < 0 || find_other(netlink, request, uid))
                        return true;
        return false;
}
