/* SPDX-License-Identifier: MIT */
#include "cli/wrap_notice.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
        SAME_AGAIN = 60, /* seconds */
        PERIOD = 10,
        LINES = 50,     /* in a period */
        PATIENCE = 1000 /* milliseconds */
};

static uint64_t now(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec;
}

/* FNV-1a; never 0. */
static uint64_t hash(const char *text) {
        uint64_t h = 0xcbf29ce484222325;

        for (; *text != '\0'; text++)
                h = (h ^ (unsigned char)*text) * 0x100000001b3;
        return h | 1;
}

/* True if it was said lately; else it counts as said now. */
static bool was_said(struct wrap_notices *notices, const char *key, uint64_t time) {
        uint64_t h = hash(key);
        unsigned at;

        for (at = 0; at < WRAP_NOTICE_KINDS; at++)
                if (notices->seen[at].key == h)
                        break;
        if (at == WRAP_NOTICE_KINDS)
                at = notices->next++ % WRAP_NOTICE_KINDS;
        else if (time - notices->seen[at].at < SAME_AGAIN)
                return true;
        notices->seen[at].key = h;
        notices->seen[at].at = time;
        return false;
}

static void put(char *line, size_t length) {
        struct pollfd pollfd = { .fd = STDERR_FILENO, .events = POLLOUT };

        line[length] = '\n';
        if (poll(&pollfd, 1, PATIENCE) > 0)
                (void)!write(STDERR_FILENO, line, length + 1);
}

/* True while there is room for one more line. */
static bool has_room(struct wrap_notices *notices, uint64_t time) {
        char last[] = "lowport: wrap: too many lines to show: some are left out\n";

        if (time - notices->period >= PERIOD) {
                notices->period = time;
                notices->lines = 0;
        }
        notices->lines++;
        if (notices->lines == LINES)
                put(last, sizeof(last) - 2);
        return notices->lines < LINES;
}

void wrap_notice(struct wrap_notices *notices, const char *key, const char *format, ...) {
        static const char who[] = "lowport: wrap: ";
        uint64_t time = now();
        char line[1024];
        va_list arguments;
        int n;

        if ((key != NULL && was_said(notices, key, time)) || !has_room(notices, time))
                return;
        memcpy(line, who, sizeof(who));
        va_start(arguments, format);
        n = vsnprintf(line + sizeof(who) - 1, sizeof(line) - sizeof(who), format, arguments);
        va_end(arguments);
        if (n >= 0)
                put(line, strlen(line));
}
