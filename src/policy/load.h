/* SPDX-License-Identifier: MIT */
#pragma once

/* From policy files to a sealed rule set, in one call: find the files, check who may write them,
 * parse, look names up, compile. It may be slow (names come from NSS) and it reads text, so it runs
 * in lowportd's loader and in the command-line tool, never in the binder. */

#include <stddef.h>
#include <stdint.h>

#include "policy/facts.h"
#include "policy/notice.h"
#include "policy/rule.h"

struct load_options {
        const char *const *paths;          /* files or directories (their *.conf, sorted) */
        size_t n_paths;                    /* 0: the default places, which need not exist */
        const struct compile_facts *facts; /* NULL: those of this process */
};

/* What there is to tell; strings and arrays are freed by load_report_done(). */
struct load_report {
        char *error;     /* "file:line:column: what is wrong; what was expected", or NULL */
        char **warnings; /* of the same form */
        size_t n_warnings;
        size_t n_files, n_rules;
        struct notices errors; /* the same and more: one for each file that is wrong */
};

/* Reads the policy into `ret_policy` (to be freed with policy_free()). Returns 0, or a negative
 * errno with `report->error` set: -EBADMSG for what is wrong in a file, else what the system said.
 * `report` must be zeroed before. */
int load_policy(const struct load_options *options,
                struct load_report *report,
                struct policy **ret_policy);

/* The same, compiled: `ret_fd` is a sealed memfd that ruleset_open() accepts. */
int load_ruleset(const struct load_options *options, struct load_report *report, int *ret_fd);

void load_report_done(struct load_report *report);
