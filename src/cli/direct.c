/* SPDX-License-Identifier: MIT */
#include "cli/direct.h"

#include <errno.h>
#include <stdio.h>

#include "client/own.h"
#include "common/cleanup.h"

enum { UNPRIVILEGED_PORT_START = 1024 }; /* the kernel's default */

bool direct_is_free(uint16_t port) {
        unsigned start = UNPRIVILEGED_PORT_START;
        FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");

        if (file != NULL) {
                if (fscanf(file, "%5u", &start) != 1)
                        start = UNPRIVILEGED_PORT_START;
                (void)fclose(file);
        }
        return port >= start;
}

static int set_option(int fd, int level, int name, int value) {
        return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* SO_REUSEADDR lets a listening socket be bound again over connections in TIME_WAIT. On any other
 * it would let a second program take the port. */
static int set_options(int fd, const struct spec *spec, bool listens) {
        const struct request *request = &spec->request;
        bool v6 = request->address.family == ADDRESS_V6;
        int r = 0;

        if (listens)
                r = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (r == 0 && spec->reuseport)
                r = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        if (r == 0 && v6) /* said both ways: net.ipv6.bindv6only sets the default */
                r = set_option(
                        fd, IPPROTO_IPV6, IPV6_V6ONLY, (request->flags & LOWPORT_V6ONLY) != 0);
        if (r == 0 && (request->flags & LOWPORT_FREEBIND) != 0)
                r = v6 ? set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1)
                       : set_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
        return r;
}

/* Makes the socket, has it bound by the daemon (`lp`) or binds it, and listens. */
static int open_spec(const struct spec *spec, struct lowport *lp, int *ret_fd) {
        const struct request *request = &spec->request;
        bool listens =
                request->protocol != IPPROTO_UDP && (request->flags & LOWPORT_NO_LISTEN) == 0;
        int type = request->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
        int family = request->address.family == ADDRESS_V6 ? AF_INET6 : AF_INET;
        int protocol = spec->mptcp ? IPPROTO_MPTCP : request->protocol;
        struct sockaddr_storage address;
        const struct sockaddr *name = (const struct sockaddr *)&address;
        socklen_t size = address_to_sockaddr(&request->address, request->port, false, &address);
        _cleanup_fd_ int fd = socket(family, type | SOCK_CLOEXEC, protocol);
        int r;

        if (fd < 0)
                return -errno;
        r = set_options(fd, spec, listens);
        if (r < 0)
                return r;
        if ((lp != NULL ? own_bind(lp, fd, name, size) : bind(fd, name, size)) < 0)
                return -errno;
        if (listens && listen(fd, request->backlog) < 0)
                return -errno;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

int direct_open(const struct spec *spec, struct lowport *lp, int *ret_fd) {
        struct spec v4 = *spec;
        int r = open_spec(spec, lp, ret_fd);

        /* So says a kernel without IPv6. */
        if (!spec->any_address || (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL))
                return r;
        v4.request.address = (struct address){ .family = ADDRESS_V4 };
        return open_spec(&v4, lp, ret_fd);
}
