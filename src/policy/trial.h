/* SPDX-License-Identifier: MIT */
#pragma once

/* A request tried on a policy: what the daemon would say with it, and what stands around that. */

#include "policy/facts.h"
#include "policy/near.h"

enum { TRIAL_NEAR_MAX = 5 };

struct trial {
        enum lowport_reason reason;
        bool wants_unit;          /* the unit is not known, and a rule hangs on it */
        uint8_t family;           /* of what no rule grants, as in struct verdict */
        const struct rule *rule;  /* that decided, or NULL */
        const struct rule *rule4; /* that grants the IPv4 part of [::], if it is another; or NULL */
        struct near near[TRIAL_NEAR_MAX]; /* where it was not granted */
        size_t n_near;
};

/* Compiles the policy and decides as the binder does. Returns 0 or a negative errno. */
int trial_run(const struct policy *policy,
              const struct compile_facts *facts,
              const struct subject *subject,
              const struct request *request,
              struct trial *ret);

/* A uid that no rule names, for a subject that is nobody in particular. */
uint32_t trial_spare_uid(const struct policy *policy, const struct compile_facts *facts);
