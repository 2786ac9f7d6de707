/* SPDX-License-Identifier: MIT */
#include "cli/wrap_child.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t wrap_child_new(void) {
        /* clone(2) with the exit signal 0, and nothing shared: "If no signal is specified, the
         * parent process is not signaled", and such a child is a "clone child" to wait(2). */
        long pid = syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);

        return pid < 0 ? -errno : (pid_t)pid;
}

int wrap_child_wait(pid_t pid) {
        int status;
        pid_t r;

        do
                r = waitpid(pid, &status, (int)__WCLONE);
        while (r < 0 && errno == EINTR);
        return r == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}
