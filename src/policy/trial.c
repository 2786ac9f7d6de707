/* SPDX-License-Identifier: MIT */
#include "policy/trial.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "policy/compile.h"

struct mapping {
        void *memory;
        size_t size;
};

static void mapping_done(struct mapping *mapping) {
        if (mapping->memory != NULL)
                munmap(mapping->memory, mapping->size);
}

/* As the binder takes it: mapped and checked. */
static int map_ruleset(int fd, struct mapping *mapping, struct ruleset *ret) {
        struct stat st;
        void *memory;

        if (fstat(fd, &st) < 0)
                return -errno;
        memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        *mapping = (struct mapping){ memory, (size_t)st.st_size };
        return ruleset_open(memory, mapping->size, ret);
}

static const struct rule *rule_of(const struct policy *policy, const struct verdict *verdict) {
        return verdict->rule == RULESET_NONE ? NULL : &policy->rules[verdict->rule];
}

/* The verdict names one rule; a granted [::] may rest on two. */
static const struct rule *rule_for_v4(const struct policy *policy,
                                      const struct ruleset *rules,
                                      const struct subject *subject,
                                      const struct request *request,
                                      const struct rule *rule) {
        struct request v4 = *request;
        struct verdict verdict;

        if (request->address.family != ADDRESS_V6 || !address_is_wildcard(&request->address) ||
            (request->flags & LOWPORT_V6ONLY) != 0)
                return NULL;
        v4.address = (struct address){ .family = ADDRESS_V4 };
        verdict = decide(rules, subject, &v4);
        return rule_of(policy, &verdict) == rule ? NULL : rule_of(policy, &verdict);
}

int trial_run(const struct policy *policy,
              const struct compile_facts *facts,
              const struct subject *subject,
              const struct request *request,
              struct trial *ret) {
        _cleanup_(mapping_done) struct mapping mapping = { 0 };
        _cleanup_fd_ int fd = -1;
        struct trial trial = { 0 };
        struct ruleset rules;
        struct verdict verdict;
        int r = compile_policy(policy, facts, &fd);

        if (r == 0)
                r = map_ruleset(fd, &mapping, &rules);
        if (r < 0)
                return r;
        verdict = decide(&rules, subject, request);
        trial.reason = verdict.reason;
        trial.wants_unit = verdict.wants_unit;
        trial.family = verdict.family;
        trial.rule = rule_of(policy, &verdict);
        if (trial.reason == LOWPORT_GRANTED)
                trial.rule4 = rule_for_v4(policy, &rules, subject, request, trial.rule);
        else if (trial.reason != LOWPORT_NOT_LOW_PORT && trial.reason != LOWPORT_UNMAPPED_USER)
                trial.n_near = near_find(policy, subject, request, trial.near, TRIAL_NEAR_MAX);
        *ret = trial;
        return 0;
}

uint32_t trial_spare_uid(const struct policy *policy, const struct compile_facts *facts) {
        for (uint32_t uid = RULESET_NONE - 1;; uid--) {
                bool taken = uid == facts->overflow_uid;

                for (size_t i = 0; i < policy->n_rules && !taken; i++)
                        taken = policy->rules[i].user.at != NULL && policy->rules[i].uid == uid;
                if (!taken)
                        return uid;
        }
}
