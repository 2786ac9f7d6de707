/* SPDX-License-Identifier: MIT */
#include "binder/capability.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/capability.h>

static const cap_value_t net_bind = CAP_NET_BIND_SERVICE;
static cap_t raised, lowered; /* made once, so that raising and lowering allocate nothing */

static cap_t make_set(bool effective) {
        cap_t set = cap_init();

        if (set == NULL || cap_set_flag(set, CAP_PERMITTED, 1, &net_bind, CAP_SET) < 0 ||
            (effective && cap_set_flag(set, CAP_EFFECTIVE, 1, &net_bind, CAP_SET) < 0)) {
                cap_free(set);
                return NULL;
        }
        return set;
}

int capability_keep_one(void) {
        cap_flag_value_t permitted = CAP_CLEAR;
        cap_t now = cap_get_proc();
        int r = -EPERM;

        if (now != NULL && cap_get_flag(now, net_bind, CAP_PERMITTED, &permitted) == 0 &&
            permitted == CAP_SET)
                r = 0;
        cap_free(now);
        if (r < 0)
                return r;

        raised = make_set(true);
        lowered = make_set(false);
        if (raised == NULL || lowered == NULL || cap_reset_ambient() < 0 ||
            cap_set_proc(lowered) < 0)
                return -errno;
        return 0;
}

void capability_raise(void) {
        if (cap_set_proc(raised) < 0)
                abort();
}

void capability_lower(void) {
        if (cap_set_proc(lowered) < 0)
                abort();
}
