/* SPDX-License-Identifier: MIT */
#pragma once

/* Names of users, groups and services. What was found, or not found, is remembered: a policy says
 * the same few names again and again. */

#include <stdint.h>

enum {
        NAMES_E_UNKNOWN = 1,     /* there is no such name */
        NAMES_E_NO_DATABASE = 2, /* there is no list of services on this machine */
};

/* Where names come from. Each returns 0, NAMES_E_…, or a negative errno when the look-up itself
 * failed: whether there is such a name is not known then. */
struct names_source {
        int (*user)(const char *name, uint32_t *ret_uid);
        int (*group)(const char *name, uint32_t *ret_gid);
        int (*service)(const char *name, const char *protocol, uint32_t *ret_port);
};

struct names;

/* `source` NULL: the system's (NSS). Returns 0 or -ENOMEM. */
int names_new(const struct names_source *source, struct names **ret);

/* Frees, and returns NULL. NULL is allowed. */
struct names *names_free(struct names *names);

/* These return what the source says, or -ENOMEM. */
int names_user(struct names *names, const char *name, uint32_t *ret_uid);
int names_group(struct names *names, const char *name, uint32_t *ret_gid);
int names_service(struct names *names, const char *name, const char *protocol, uint32_t *ret_port);
