/* SPDX-License-Identifier: MIT */
#pragma once

/* A lowportd as it runs in production: an unprivileged user with one capability. One at a time. */

#include <stdbool.h>
#include <sys/types.h>

#include "common/wire.h"

#define DAEMON_SOCKET     "/run/lowport/socket"
#define DAEMON_OWN_SOCKET "/run/lowport/own.socket"
#define DAEMON_POLICY     "/etc/lowport/policy.conf"

enum { DAEMON_PROCESSES = 128 };

/* Starts it with a policy, and waits until it is ready. `options` end with NULL; NULL: none. */
void daemon_start(const char *policy, const char *const options[]);

/* The same, but it must not start: returns its exit status. */
int daemon_start_in_vain(const char *policy);

/* Gives it another policy, and waits until it has taken it, or has not. */
void daemon_reload(const char *policy);

/* Waits until it has said something with both texts in a line. */
void daemon_says(const char *text, const char *also);
bool daemon_said(const char *text);

struct wire_status daemon_status(void);

/* Processes: lowportd, the binder's parent, the workers. */
pid_t daemon_manager(void);
pid_t daemon_binder(void);
unsigned daemon_workers(pid_t ret[DAEMON_PROCESSES]);

/* A process of the daemon's, which has ended, is there no more. */
bool daemon_is_gone(pid_t pid);

/* All workers are idle: nobody is served. */
bool daemon_is_idle(void);

/* How many descriptors the binder's parent has, and each idle worker; 0 while they differ. */
unsigned daemon_descriptors(pid_t pid);
unsigned daemon_workers_descriptors(void);

/* Waits for the end of a process that is told to end or is killed; returns its exit status, or
 * 128 and the signal. */
int daemon_ended(void);

/* Ends it with SIGTERM: cleanly, and with all its processes. */
void daemon_stop(void);
