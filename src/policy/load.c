/* SPDX-License-Identifier: MIT */
#include "policy/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/lint.h"
#include "policy/names.h"
#include "policy/parse.h"
#include "policy/source.h"

/* The first error counts, but every file is looked at. */
static int first_error(int r, int next) {
        return r < 0 ? r : next;
}

static int
read_files(const struct load_options *options, struct policy *policy, struct notices *errors) {
        int r = 0;

        for (size_t i = 0; i < options->n_paths; i++)
                r = first_error(r, source_add(policy, options->paths[i], errors));
        if (options->n_paths == 0) {
                r = source_add_optional(policy, LOWPORT_POLICY_DIR "/policy.conf", errors);
                r = first_error(
                        r, source_add_optional(policy, LOWPORT_POLICY_DIR "/policy.d", errors));
        }
        return r;
}

static int parse_files(struct policy *policy, struct notices *errors) {
        struct names *names = NULL;
        int r = names_new(NULL, &names);

        if (r < 0)
                return r;
        for (uint32_t i = 0; i < policy->n_files; i++)
                r = first_error(r, parse_file(policy, i, names, errors));
        names_free(names);
        return r;
}

/* Without pidfds a process could die and leave its pid, and so its unit, to another. */
static int check_units(const struct policy *policy,
                       const struct compile_facts *facts,
                       struct notices *errors) {
        for (size_t i = 0; !facts->peer_pidfd && i < policy->n_rules; i++) {
                const struct rule *rule = &policy->rules[i];

                if (rule->unit.at == NULL)
                        continue;
                notices_add(errors,
                            rule_path(policy, rule),
                            rule->line,
                            rule->unit_column,
                            "a rule on a unit, but this kernel cannot tell safely which unit a "
                            "peer is in (no SO_PEERPIDFD); expected Linux 6.5 or later, or a rule "
                            "without it");
                return -EBADMSG;
        }
        return 0;
}

static int read_policy(const struct load_options *options,
                       const struct compile_facts *facts,
                       struct notices *errors,
                       struct policy *policy) {
        int r = read_files(options, policy, errors);

        r = first_error(r, parse_files(policy, errors));
        return r < 0 ? r : check_units(policy, facts, errors);
}

/* The warnings that concern whoever starts the daemon; the rest is for `lowport check`. */
static int
warn(const struct policy *policy, const struct compile_facts *facts, struct load_report *report) {
        struct notices warnings = { 0 };
        int r = lint_policy(policy, facts, LINT_LOAD, &warnings);

        if (r == 0 && warnings.count > 0) {
                report->warnings = calloc(warnings.count, sizeof(*report->warnings));
                r = report->warnings == NULL ? -ENOMEM : 0;
        }
        for (size_t i = 0; r == 0 && i < warnings.count; i++) {
                report->warnings[i] = notice_format(&warnings.list[i]);
                if (report->warnings[i] == NULL)
                        r = -ENOMEM;
                else
                        report->n_warnings++;
        }
        notices_done(&warnings);
        return r;
}

/* There is always something to tell, also when memory ran out before it was noted. */
static void report_error(struct load_report *report, int error) {
        if (report->errors.count > 0)
                report->error = notice_format(&report->errors.list[0]);
        if (report->error == NULL)
                report->error = strdup(strerror(-error));
}

static const struct compile_facts *facts_of(const struct load_options *options,
                                            struct compile_facts *own) {
        if (options->facts != NULL)
                return options->facts;
        compile_facts_read(own);
        return own;
}

int load_policy(const struct load_options *options,
                struct load_report *report,
                struct policy **ret_policy) {
        struct compile_facts own;
        const struct compile_facts *facts = facts_of(options, &own);
        struct policy *policy = calloc(1, sizeof(*policy));
        int r = -ENOMEM;

        if (policy != NULL)
                r = read_policy(options, facts, &report->errors, policy);
        if (r == 0)
                r = warn(policy, facts, report);
        if (r < 0) {
                report_error(report, r);
                policy_free(policy);
                return r;
        }
        report->n_files = policy->n_files;
        report->n_rules = policy->n_rules;
        *ret_policy = policy;
        return 0;
}

int load_ruleset(const struct load_options *options, struct load_report *report, int *ret_fd) {
        struct compile_facts own;
        struct load_options with_facts = *options;
        struct policy *policy = NULL;
        int r;

        with_facts.facts = facts_of(options, &own);
        r = load_policy(&with_facts, report, &policy);
        if (r < 0)
                return r;
        r = compile_policy(policy, with_facts.facts, ret_fd);
        if (r < 0)
                report_error(report, r);
        policy_free(policy);
        return r;
}

void load_report_done(struct load_report *report) {
        for (size_t i = 0; i < report->n_warnings; i++)
                free(report->warnings[i]);
        free((void *)report->warnings);
        free(report->error);
        notices_done(&report->errors);
        *report = (struct load_report){ 0 };
}
