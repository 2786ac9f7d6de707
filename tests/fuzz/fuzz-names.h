/* SPDX-License-Identifier: MIT */
#pragma once

#include "policy/facts.h"
#include "policy/names.h"
#include "policy/notice.h"
#include "policy/rule.h"

/* Names that do not ask the machine: a name's first letter says what becomes of it. "b…" is unknown,
 * "c…" fails, "d…" has no database; a service is also unknown in SCTP. */
extern const struct names_source fuzz_names;

/* Every id below 65534 is mapped. */
extern const struct compile_facts fuzz_facts;

/* Parses a copy of the text as one file. Returns the policy whatever `ret_result` is; NULL if there
 * is no memory. */
struct policy *fuzz_parse(const void *text, size_t size, struct notices *errors, int *ret_result);
