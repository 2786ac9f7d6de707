/* SPDX-License-Identifier: MIT */
#include "lowportd/child.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lowportd/confinement.h"
#include "lowportd/privilege.h"

int child_begin(const char *name, int fd) {
        int first = STDERR_FILENO + 1;

        (void)prctl(PR_SET_NAME, name);
        if ((fd != first && dup3(fd, first, O_CLOEXEC) < 0) ||
            syscall(SYS_close_range, (unsigned)first + 1, ~0U, 0U) < 0 || privilege_drop() < 0)
                _exit(EXIT_FAILURE);
        confinement_enter_child();
        return first;
}
