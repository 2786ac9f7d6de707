/* SPDX-License-Identifier: MIT */

/* lowport-binder: the only program with the capability. lowportd starts it and tells it what to
 * do; it is of no use to anybody else. */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "binder/capability.h"
#include "binder/parent.h"
#include "common/orders.h"

/* Should: find the descriptors that lowportd gives. Mustn't: work on ones it does not know. */
static bool started_by_lowportd(int ret_listeners[MODES]) {
        static const int listeners[MODES] = {
                [MODE_OPEN] = BINDER_FD_OPEN,
                [MODE_OWN] = BINDER_FD_OWN,
        };
        bool serves = false;

        for (size_t i = 0; i < MODES; i++) {
                bool there = fcntl(listeners[i], F_SETFD, FD_CLOEXEC) == 0;

                ret_listeners[i] = there ? listeners[i] : -1;
                serves = serves || there;
        }
        return serves && fcntl(BINDER_FD_CONTROL, F_SETFD, FD_CLOEXEC) == 0 &&
               fcntl(BINDER_FD_RECORDS, F_SETFD, FD_CLOEXEC) == 0 &&
               fcntl(BINDER_FD_REGISTRY, F_SETFD, FD_CLOEXEC) == 0;
}

int main(int argc, char **argv) {
        int listeners[MODES], r;

        /* 1. What it was given. */
        if (argc != 1 || !started_by_lowportd(listeners)) {
                (void)fprintf(stderr,
                              "%s: this is started by lowportd, not by hand; see lowportd(8)\n",
                              argc > 0 ? argv[0] : "lowport-binder");
                return BINDER_EXIT_MISUSED;
        }

        /* 2. What it may. Should: keep one capability, permitted only. */
        if (capability_keep_one() < 0)
                return BINDER_EXIT_NO_CAPABILITY;

        /* 3. What it does. */
        r = parent_run(BINDER_FD_CONTROL, BINDER_FD_RECORDS, BINDER_FD_REGISTRY, listeners);
        if (r < 0) {
                (void)fprintf(stderr, "lowport-binder: %s\n", strerror(-r));
                return BINDER_EXIT_FAILED;
        }
        return 0;
}
