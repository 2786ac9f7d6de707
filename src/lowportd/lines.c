/* SPDX-License-Identifier: MIT */
#include "lowportd/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* Standard error may have been made O_NONBLOCK by whoever shares it. */
static int write_all(const char *text, size_t size, size_t *ret_written) {
        size_t done = 0;
        int r = 0;

        while (done < size && r == 0) {
                ssize_t n = write(STDERR_FILENO, text + done, size - done);
                struct pollfd poller = { .fd = STDERR_FILENO, .events = POLLOUT };

                if (n >= 0)
                        done += (size_t)n;
                else if (errno == EAGAIN)
                        (void)poll(&poller, 1, -1);
                else if (errno != EINTR)
                        r = -errno;
        }
        *ret_written = done;
        return r;
}

int lines_flush(struct lines *lines, uint64_t *ret_dropped) {
        uint64_t dropped = 0;
        size_t written;
        int r = write_all(lines->text, lines->used, &written);

        for (size_t i = 0; i < lines->n_lines; i++)
                if (lines->lines[i].end > written)
                        dropped += lines->lines[i].records;
        if (written > 0)
                lines->torn = lines->text[written - 1] != '\n';
        lines->used = 0;
        lines->n_lines = 0;
        *ret_dropped = dropped;
        return r;
}

int lines_add(struct lines *lines,
              const char *message,
              const char *details,
              uint64_t records,
              uint64_t *ret_dropped) {
        int r = 0;

        *ret_dropped = 0;
        for (int tries = 0; tries < 2; tries++) {
                size_t room = sizeof(lines->text) - lines->used;
                const char *end = lines->torn && lines->used == 0 ? "\n" : "";
                int n = snprintf(
                        lines->text + lines->used, room, "%s%s%s\n", end, message, details);

                if (n >= 0 && (size_t)n < room && lines->n_lines < LINES_MAX) {
                        lines->used += (size_t)n;
                        lines->lines[lines->n_lines++] = (struct line){ lines->used, records };
                        return r;
                }
                r = lines_flush(lines, ret_dropped);
        }
        *ret_dropped += records;
        return -EMSGSIZE;
}
