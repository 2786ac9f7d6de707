/* SPDX-License-Identifier: MIT */
#include "policy/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "policy/ruleset.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum {
        OVERFLOW_ID = 65534, /* as the kernel is built */
        MAP_SIZE = 2048,     /* 56 lines; what is longer counts as partial, which is cautious */
        LOW_PORT_MAX = 1023,
};

/* user_namespaces(7): a line is "inside outside count", and a map is whole when its counts sum up to
 * every id but (uid_t)-1. Lines never overlap. */
static bool map_is_whole(const char *map) {
        uint64_t sum = 0;
        uint32_t inside, outside, count;
        int length;

        while (sscanf(map,
                      "%" SCNu32 " %" SCNu32 " %" SCNu32 "%n",
                      &inside,
                      &outside,
                      &count,
                      &length) == 3) {
                sum += count;
                map += length;
        }
        return sum >= UINT32_MAX;
}

uint32_t facts_overflow_id(const char *map, const char *overflow) {
        uint32_t id = OVERFLOW_ID;

        if (map != NULL && map_is_whole(map))
                return RULESET_NONE;
        if (overflow != NULL && sscanf(overflow, "%" SCNu32, &id) != 1)
                id = OVERFLOW_ID;
        return id;
}

uint32_t facts_port_max(const char *start) {
        uint32_t first = 0;

        if (start == NULL || sscanf(start, "%" SCNu32, &first) != 1)
                return LOW_PORT_MAX;
        if (first > UINT16_MAX + 1U)
                first = UINT16_MAX + 1U;
        return first > LOW_PORT_MAX + 1U ? first - 1 : LOW_PORT_MAX;
}

/* The start of a file of /proc; NULL if it cannot be read. */
static const char *read_file(const char *path, char *buffer, size_t size) {
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, buffer, size - 1);

        if (n < 0)
                return NULL;
        buffer[n] = '\0';
        return buffer;
}

static uint32_t overflow_id(const char *map_path, const char *overflow_path) {
        char map[MAP_SIZE], overflow[16];

        return facts_overflow_id(read_file(map_path, map, sizeof(map)),
                                 read_file(overflow_path, overflow, sizeof(overflow)));
}

/* Linux 6.5 and later answer with a pidfd of the other end, here of this process itself. */
static bool has_peer_pidfd(void) {
        int pair[2], pidfd = -1;
        socklen_t size = sizeof(pidfd);
        bool has;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return false;
        has = getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0;
        close_fd(pidfd);
        close_fd(pair[0]);
        close_fd(pair[1]);
        return has;
}

void compile_facts_read(struct compile_facts *ret) {
        char start[16];

        *ret = (struct compile_facts){
                .overflow_uid = overflow_id("/proc/self/uid_map", "/proc/sys/kernel/overflowuid"),
                .overflow_gid = overflow_id("/proc/self/gid_map", "/proc/sys/kernel/overflowgid"),
                .port_max = facts_port_max(read_file(
                        "/proc/sys/net/ipv4/ip_unprivileged_port_start", start, sizeof(start))),
                .peer_pidfd = has_peer_pidfd(),
        };
}
