/* SPDX-License-Identifier: MIT */
/* What the registrar answers a worker about a process's unit, as the worker takes it; and what a
 * control group's path says, as the registrar reads it. The first byte says which. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "binder/peer.h"
#include "binder/unit.h"
#include "common/fdpass.h"
#include "policy/unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *answer;
static size_t answer_size;

/* In the place of the kernel and the registrar: */

int peer_open_process(int connection, int *ret_fd) {
        (void)connection;
        *ret_fd = -1;
        return 0;
}

int fdpass_send(int socket, const void *data, size_t size, int fd) {
        (void)socket;
        (void)data;
        (void)size;
        (void)fd;
        return 0;
}

ssize_t fdpass_receive(int socket, void *data, size_t size, int flags, int *ret_fd) {
        (void)socket;
        (void)flags;
        if (ret_fd != NULL)
                abort(); /* a worker takes no descriptor from it */
        memcpy(data, answer, answer_size < size ? answer_size : size);
        return (ssize_t)answer_size;
}

/* A name that the worker hands to decide() and to its record ends within its memory. */
static void take_answer(const uint8_t *data, size_t size) {
        char unit[UNIT_NAME_MAX];
        int r;

        answer = data;
        answer_size = size;
        memset(unit, 'x', sizeof(unit));
        r = unit_ask(-1, -1, unit);
        if (r > 0 || (r == 0 && memchr(unit, '\0', sizeof(unit)) == NULL))
                abort();
        if (r == 0 && (size == 0 || size >= UNIT_NAME_MAX))
                abort();
}

static bool has_ending(const char *name) {
        static const char *const endings[] = { ".service", ".scope", ".socket", ".mount", ".swap" };
        const char *dot = strrchr(name, '.');

        for (size_t i = 0; dot != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
                if (strcmp(dot, endings[i]) == 0)
                        return true;
        return false;
}

/* Whether the first component that is no slice has that name, perhaps with '_' before it. */
static bool is_first_unit(const char *path, const char *name) {
        for (;;) {
                size_t length;

                path += strspn(path, "/");
                length = strcspn(path, "/");
                if (length > 6 && memcmp(path + length - 6, ".slice", 6) == 0) {
                        path += length;
                        continue;
                }
                if (*path == '_') {
                        path++;
                        length--;
                }
                return length == strlen(name) && memcmp(path, name, length) == 0;
        }
}

static void read_path(const uint8_t *data, size_t size) {
        char *path = malloc(size + 1), name[32];

        if (path == NULL)
                abort();
        memcpy(path, data, size);
        path[size] = '\0';
        if (unit_of_cgroup(path, name, sizeof(name)) == 0 &&
            (memchr(name, '\0', sizeof(name)) == NULL || !has_ending(name) ||
             !is_first_unit(path, name)))
                abort();
        free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size == 0)
                return 0;
        if ((data[0] & 1) != 0)
                take_answer(data + 1, size - 1);
        else
                read_path(data + 1, size - 1);
        return 0;
}
