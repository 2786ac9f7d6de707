/* SPDX-License-Identifier: MIT */
#include "binder/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "binder/peer.h"
#include "common/cleanup.h"
#include "common/fdpass.h"

int unit_ask(int registry, int connection, char ret[UNIT_NAME_MAX]) {
        static const struct timeval patience = { .tv_usec = REGISTRY_PATIENCE * 1000L };
        _cleanup_fd_ int process = -1, ours = -1, theirs = -1;
        int pair[2], r = peer_open_process(connection, &process);
        ssize_t n;

        if (r < 0)
                return r;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        if (setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                return -errno;
        r = fdpass_send(ours, "", 1, process);
        if (r == 0)
                r = fdpass_send(registry, "", 1, theirs);
        if (r < 0)
                return r;
        theirs = close_fd(theirs); /* a registrar that dies ends the wait */
        n = fdpass_receive(ours, ret, UNIT_NAME_MAX - 1, 0, NULL);
        if (n <= 0 || n >= UNIT_NAME_MAX)
                return n < 0 ? (int)n : -ENODATA;
        ret[n] = '\0';
        return 0;
}
