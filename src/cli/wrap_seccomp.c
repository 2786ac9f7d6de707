/* SPDX-License-Identifier: MIT */
#include "cli/wrap_seccomp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/wrap_filter.h"
#include "cli/wrap_supervisor.h"
#include "common/cleanup.h"

static void explain_filter(int error, char *ret, size_t size) {
        switch (error) {
        case EBUSY:
                (void)snprintf(ret,
                               size,
                               "it runs under a seccomp listener already, another lowport wrap "
                               "perhaps, and the kernel allows one");
                break;
        case EINVAL:
                (void)snprintf(ret, size, "it needs Linux 5.19 or later");
                break;
        case ENOSYS:
                (void)snprintf(ret, size, "there is no seccomp here");
                break;
        default:
                (void)snprintf(ret, size, "no seccomp filter can be set: %s", strerror(error));
        }
}

/* 0 where there is no Yama. */
static int read_yama(void) {
        FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
        int scope = 0;

        if (file == NULL)
                return 0;
        if (fscanf(file, "%1d", &scope) != 1)
                scope = 0;
        (void)fclose(file);
        return scope;
}

static void explain_access(int error, char *ret, size_t size) {
        int yama = read_yama();

        if (error == EPERM && yama > 0)
                (void)snprintf(ret,
                               size,
                               "processes may not look into each other here "
                               "(kernel.yama.ptrace_scope is %d)",
                               yama);
        else if (error == EPERM)
                (void)snprintf(ret, size, "processes may not look into each other here");
        else if (error == ESRCH)
                (void)snprintf(ret, size, "/proc is not there, or not that of these processes");
        else
                (void)snprintf(ret, size, "no supervisor can be started: %s", strerror(error));
}

int wrap_seccomp(const struct wrap_options *options,
                 const char *own_socket,
                 char *ret_why,
                 size_t size) {
        struct wrap_supervisor supervisor = { .socket = -1 };
        _cleanup_fd_ int listener = -1;
        int r = wrap_filter_try();

        if (r < 0) {
                explain_filter(-r, ret_why, size);
                return WRAP_SECCOMP_UNUSABLE;
        }
        r = wrap_supervisor_start(options, own_socket, &supervisor);
        if (r < 0) {
                explain_access(-r, ret_why, size);
                return WRAP_SECCOMP_UNUSABLE;
        }
        r = wrap_filter_install(options->verbose, &listener);
        if (r == 0)
                r = wrap_supervisor_engage(&supervisor, listener);
        wrap_supervisor_done(&supervisor);
        if (r == 0)
                return CLI_OK;
        /* There is no way back: the filter, or no_new_privs, stays. */
        cli_complain("wrap: the supervisor could not be engaged: %s", strerror(-r));
        return CLI_FAILED;
}
