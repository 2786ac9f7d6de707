/* SPDX-License-Identifier: MIT */
#pragma once

/* The supervisor's end of the filter: calls come in, and wait until they are answered. */

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/* Lets the waking of the other side be a hand-over on one processor (Linux 6.6); else nothing. */
void wrap_listener_tune(int listener);

/* Takes a call that waits. `ret` must be all zeros, and is on failure. Returns 0 or a negative
 * errno: -ENOENT, its thread has died or a signal has called it back. */
int wrap_listener_receive(int listener, struct seccomp_notif *ret);

/* True while the thread still waits in this call: what was read from it until now was its own. */
bool wrap_listener_waits(int listener, uint64_t id);

/* The call returns 0, or -1 with `error`. Who died meanwhile needs no answer. */
void wrap_listener_answer(int listener, uint64_t id, int error);

/* The kernel does the call as if there were no filter. Never after a decision: the thread may have
 * changed by now what its arguments point to. */
void wrap_listener_pass(int listener, uint64_t id);
