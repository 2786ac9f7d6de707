/* SPDX-License-Identifier: MIT */
#pragma once

/* What this kernel has and another lacks. Found out by trying, never by the version. */

#include <stdbool.h>

struct kernel {
        bool passrights;     /* SO_PASSRIGHTS: 6.16 */
        bool peerpidfd;      /* SO_PEERPIDFD: 6.5 */
        bool lists_bound;    /* TCP sockets that are bound and do not listen, by sock_diag: 6.8 */
        bool thread_pidfd;   /* PIDFD_THREAD: 6.9 */
        bool process_cgroup; /* PIDFD_GET_INFO: 6.13 */
        int landlock;        /* its ABI */
};

extern struct kernel kernel;

void kernel_find_out(void);

/* Prints it as scenarios are printed. */
void kernel_print(void);
