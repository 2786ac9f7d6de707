/* SPDX-License-Identifier: MIT */
#pragma once

/* What lowportd has to say on standard error, a line at a time; with a syslog(3) priority in front
 * ("<3>") when that is the journal's stream (sd-daemon(3)). */

#include <stdbool.h>

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True when standard error is the journal's stream: $JOURNAL_STREAM names it (systemd.exec(5)). */
bool log_is_journal(void);
