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

/* Should: find the three descriptors that lowportd gives. Mustn't: work on ones it does not know. */
static bool started_by_lowportd(void) {
        static const int fds[] = { BINDER_FD_CONTROL, BINDER_FD_OPEN, BINDER_FD_RECORDS };

        for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
                if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) < 0)
                        return false;
        return true;
}

int main(int argc, char **argv) {
        int r;

        /* 1. What it was given. */
        if (argc != 1 || !started_by_lowportd()) {
                (void)fprintf(stderr,
                              "%s: this is started by lowportd, not by hand; see lowportd(8)\n",
                              argc > 0 ? argv[0] : "lowport-binder");
                return BINDER_EXIT_MISUSED;
        }

        /* 2. What it may. Should: keep one capability, permitted only. */
        if (capability_keep_one() < 0)
                return BINDER_EXIT_NO_CAPABILITY;

        /* 3. What it does. */
        r = parent_run(BINDER_FD_CONTROL, BINDER_FD_OPEN, BINDER_FD_RECORDS);
        if (r < 0) {
                (void)fprintf(stderr, "lowport-binder: %s\n", strerror(-r));
                return BINDER_EXIT_FAILED;
        }
        return 0;
}
