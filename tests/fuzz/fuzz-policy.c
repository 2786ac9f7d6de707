/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz-names.h"
#include "policy/compile.h"
#include "policy/lint.h"
#include "policy/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What parses must compile into a block that the binder takes. */
static void compile(const struct policy *policy) {
        struct ruleset rules;
        struct stat st;
        void *memory;
        int fd = -1;

        if (compile_policy(policy, &fuzz_facts, &fd) < 0 || fstat(fd, &st) < 0)
                abort();
        memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED || ruleset_open(memory, (size_t)st.st_size, &rules) < 0)
                abort();
        if (rules.header->rules != policy->n_rules)
                abort();
        munmap(memory, (size_t)st.st_size);
        close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct notices errors = { 0 }, warnings = { 0 };
        int r = 0;
        struct policy *policy = fuzz_parse(data, size, &errors, &r);

        /* An error is told, at a place in the text, and only an error is. */
        if (r < 0 && (errors.count != 1 || errors.list[0].line == 0 || errors.list[0].column == 0))
                abort();
        if (r == 0 && errors.count != 0)
                abort();
        for (size_t i = 0; r == 0 && i < policy->n_rules; i++)
                if (policy->rules[i].n_items == 0)
                        abort();
        if (r == 0) {
                if (lint_policy(policy, &fuzz_facts, LINT_ALL, &warnings) < 0)
                        abort();
                compile(policy);
        }
        notices_done(&errors);
        notices_done(&warnings);
        policy_free(policy);
        return 0;
}
