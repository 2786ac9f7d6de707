/* SPDX-License-Identifier: MIT */
#pragma once

/* The policy's files: which they are, who may write them, and what is in them. */

#include "policy/notice.h"
#include "policy/rule.h"

enum { SOURCE_SIZE_MAX = 16 * 1024 * 1024 };

/* Reads the file at `path`, or the *.conf of the directory there, sorted. Returns 0, or the first
 * negative errno with every file that cannot be taken noted in `errors`. */
int source_add(struct policy *policy, const char *path, struct notices *errors);

/* The same for a place that need not exist. */
int source_add_optional(struct policy *policy, const char *path, struct notices *errors);
