/* SPDX-License-Identifier: MIT */
#pragma once

/* The registrar: a process beside the manager that tells workers which system unit a process is in. It
 * reads /proc and the control groups, so it is not the binder; and if it hangs or dies, a unit is not
 * known, and nothing else waits. */

#include <sys/types.h>

/* Starts it on the reading end of the registry's socket. Returns its pid or a negative errno. It ends
 * when the last writer of the socket has. */
pid_t registrar_start(int registry);
