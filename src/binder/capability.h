/* SPDX-License-Identifier: MIT */
#pragma once

/* CAP_NET_BIND_SERVICE: permitted for as long as the process lives, effective only while it binds. */

/* Gives up every other capability, and empties the inheritable and ambient sets. Returns 0, or
 * -EPERM when CAP_NET_BIND_SERVICE is not among the permitted ones. */
int capability_keep_one(void);

/* Both end the process rather than go on with the wrong set. */
void capability_raise(void);
void capability_lower(void);
