/* SPDX-License-Identifier: MIT */
#pragma once

/* The service manager that started lowportd: passed sockets, notifications, the watchdog.
 * service-systemd.c does it with libsystemd, service-plain.c without: the same protocols. */

#include <stdint.h>

/* Takes the sockets passed by sd_listen_fds(3)'s protocol, which are close-on-exec then; they are
 * BASE, BASE + 1, …  Returns how many; `ret_names` is an array of that many names (all freed by the
 * caller), or NULL when there are no names. Or a negative errno. */
int service_take_sockets(int *ret_base, char ***ret_names);

/* Sends a state, as sd_notify(3) has it; does nothing without $NOTIFY_SOCKET. */
void service_notify(const char *state);

/* How often, in microseconds, the watchdog wants to hear of us; 0: never. */
uint64_t service_watchdog(void);
