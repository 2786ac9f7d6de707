/* SPDX-License-Identifier: MIT */
#include "cli/wrap_watch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/wrap_listener.h"
#include "cli/wrap_service.h"

/* More ends than this in so short a time have a cause that does not go away. */
enum { ENDS = 5, SHORT = 10000 /* milliseconds */ };

/* Waits for the end of `pid`, and takes in the orphans that it may leave. */
static int wait_for(pid_t pid) {
        int status = 0;
        pid_t r;

        do
                r = waitpid(-1, &status, 0);
        while (r != pid && r > 0);
        return status;
}

static void say(struct wrap_desk *desk, int status, const char *then) {
        bool killed = WIFSIGNALED(status);

        if (!desk->quiet)
                wrap_notice(&desk->notices,
                            NULL,
                            "the supervisor of %s (pid %d) has ended (%s %d): %s",
                            desk->name,
                            (int)desk->pid,
                            killed ? "signal" : "status",
                            killed ? WTERMSIG(status) : WEXITSTATUS(status),
                            then);
}

/* Returns true while another one may be started. */
static bool go_on(struct wrap_desk *desk, int status, struct deadline *period, unsigned *ends) {
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return false;
        if (deadline_left(period) == 0) {
                *period = deadline_in(SHORT);
                *ends = 0;
        }
        if (++*ends > ENDS) {
                say(desk,
                    status,
                    "from now on bind(2) fails with ENOSYS in it and all that it started");
                return false;
        }
        say(desk, status, "another one takes its place");
        return true;
}

void wrap_watch(struct wrap_desk *desk, int listener) {
        struct deadline period = deadline_in(SHORT);
        unsigned ends = 0;
        int status;

        wrap_listener_tune(listener);
        do {
                pid_t witness = getpid(), pid;

                /* Helpers of one that was killed must not become children of the program. */
                (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
                pid = fork();
                if (pid <= 0) {
                        /* Where no process can be had, this one serves, and nobody watches. */
                        int r = wrap_service_run(desk, listener, pid == 0 ? witness : 0);

                        if (r != WRAP_SERVICE_ALONE)
                                _exit(r == WRAP_SERVICE_ENDED ? 0 : 1);
                        status = SIGKILL; /* so ended the witness, most likely */
                        continue;
                }
                status = wait_for(pid);
        } while (go_on(desk, status, &period, &ends));
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}
