/* SPDX-License-Identifier: MIT */
#pragma once

/* The service manager's socket for messages, as sd_notify(3) describes it. */

/* Returns a socket that is connected to $NOTIFY_SOCKET, -ENOENT when that is not set, or another
 * negative errno. */
int notify_open(void);
