/* SPDX-License-Identifier: MIT */
#include "lowportd/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

bool log_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat stat;

        return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &stat) == 0 && stat.st_dev == device && stat.st_ino == inode;
}

static void log_line(int priority, const char *format, va_list arguments)
        __attribute__((format(printf, 2, 0)));

/* One write for the line, so that lines of several processes do not mix. */
static void log_line(int priority, const char *format, va_list arguments) {
        char line[2048];
        int n = 0;

        if (log_is_journal())
                n = snprintf(line, sizeof(line), "<%d>", priority);
        n += snprintf(line + n, sizeof(line) - (size_t)n, "lowportd: ");
        n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, arguments);
        if ((size_t)n > sizeof(line) - 2)
                n = sizeof(line) - 2;
        line[n] = '\n';
        (void)!write(STDERR_FILENO, line, (size_t)n + 1);
}

void log_error(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        log_line(LOG_ERR, format, arguments);
        va_end(arguments);
}

void log_warning(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        log_line(LOG_WARNING, format, arguments);
        va_end(arguments);
}

void log_info(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        log_line(LOG_INFO, format, arguments);
        va_end(arguments);
}
