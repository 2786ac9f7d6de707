/* SPDX-License-Identifier: MIT */
#pragma once

/* What lowportd was started with, and how it gets rid of it. */

/* Becomes `user` when started as root (NULL: "lowport") and keeps nothing but
 * CAP_NET_BIND_SERVICE, arranged so that the binder inherits it; started otherwise, keeps that
 * capability if it is there. Says what is wrong, and returns a negative errno then. */
int privilege_reduce(const char *user);

/* Gives up what is left. For the manager once the binder runs, and for its other children. */
int privilege_drop(void);
