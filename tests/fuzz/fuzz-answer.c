/* SPDX-License-Identifier: MIT */
/* What a registrar may answer to a worker that asks for a unit: the first byte says how many
 * descriptors come with it, the others are the datagram; no byte at all, and it closes. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "binder/peer.h"
#include "binder/unit.h"
#include "common/cleanup.h"
#include "common/fdpass.h"
#include "fuzz-descriptors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __real_fdpass_send(int socket, const void *data, size_t size, int fd);
int __wrap_fdpass_send(int socket, const void *data, size_t size, int fd);

static struct {
        const uint8_t *data;
        size_t size;
        int registry;
} hostile;

/* In place of the process that is at the other end. */
int peer_open_process(int connection, int *ret_pidfd) {
        *ret_pidfd = fcntl(connection, F_DUPFD_CLOEXEC, 0);
        return *ret_pidfd < 0 ? -1 : 0;
}

/* The question is answered before it is waited for. */
int __wrap_fdpass_send(int socket, const void *data, size_t size, int fd) {
        char byte;

        if (socket != hostile.registry)
                return __real_fdpass_send(socket, data, size, fd);
        /* What is closed with something unread in it takes back what it sent. */
        (void)recv(fd, &byte, 1, MSG_DONTWAIT);
        if (hostile.size > 0)
                fuzz_send(fd, hostile.data + 1, hostile.size - 1, hostile.data[0] & 3);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint64_t before = fuzz_open_descriptors();
        char *unit = malloc(UNIT_NAME_MAX); /* exact, so that a sanitizer sees its end */
        int r, pair[2];

        if (unit == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                abort();
        memset(unit, 'x', UNIT_NAME_MAX);
        hostile.data = data;
        hostile.size = size;
        hostile.registry = pair[0];
        r = unit_ask(pair[0], pair[1], unit);
        if (r > 0)
                abort();
        /* Whole, or none: a name that was cut could be another's. */
        if (r == 0 && (size < 2 || size > UNIT_NAME_MAX || unit[size - 1] != '\0' ||
                       memcmp(unit, data + 1, size - 1) != 0))
                abort();
        (void)close(pair[0]);
        (void)close(pair[1]);
        free(unit);
        if (fuzz_open_descriptors() != before)
                abort();
        return 0;
}
