/* SPDX-License-Identifier: MIT */
#pragma once

/* What this program is when it is started as a server. Both serve one client on a port of loopback
 * and then end: with what came of it as their exit status. */

/* On the listening socket that is descriptor 3. */
int program_serve_inherited(void);

/* Binds by itself, as `how` says: "plain", "thread": in one that has its own table of descriptors,
 * "signals": while a timer interrupts it; or with lowport_bind(): "library". */
int program_serve(const char *how, const char *port);
