/* SPDX-License-Identifier: MIT */
#include "lowportd/registrar.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/registry.h"
#include "lowportd/cgroup.h"
#include "lowportd/child.h"
#include "policy/unit.h"

/* PIDFD_GET_INFO, Linux 6.13: the first version of its answer. */
struct pidfd_info {
        uint64_t mask, cgroup;
        uint32_t pid, rest[11];
};

enum { INFO_CGROUP = 1 << 2 };

#define GET_INFO _IOWR(0xff, 11, struct pidfd_info)

/* Returns the process's pid, and the id of its control group where the kernel tells it (else 0). */
static pid_t get_pid(int process, uint64_t *ret_cgroup) {
        struct pidfd_info info = { .mask = INFO_CGROUP };
        char path[64], line[64];
        pid_t pid = 0;
        FILE *file;

        *ret_cgroup = 0;
        if (ioctl(process, GET_INFO, &info) == 0) {
                *ret_cgroup = (info.mask & INFO_CGROUP) != 0 ? info.cgroup : 0;
                return (pid_t)info.pid;
        }
        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", process);
        file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL)
                if (strncmp(line, "Pid:", 4) == 0)
                        pid = (pid_t)strtol(line + 4, NULL, 10);
        if (file != NULL)
                (void)fclose(file);
        return pid;
}

/* A control group's id is the inode of its directory, in the hierarchy of version 2. */
static bool is_cgroup(const char *cgroup, uint64_t id) {
        static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        static char path[PATH_MAX];
        struct stat group;

        for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
                if (snprintf(path, sizeof(path), "%s%s", roots[i], cgroup) < (int)sizeof(path) &&
                    stat(path, &group) == 0 && group.st_ino == id)
                        return true;
        return false;
}

/* /proc says so at once. Where it does not show other users' processes, the groups are searched. */
static bool find_cgroup(pid_t pid, uint64_t id, char *ret, size_t size) {
        static const char *const roots[] = { "/sys/fs/cgroup/unified",
                                             "/sys/fs/cgroup/systemd",
                                             "/sys/fs/cgroup" };
        int r = unit_read_cgroup(pid, ret, size);

        if (r == 0)
                return id == 0 || is_cgroup(ret, id);
        for (size_t i = 0; r == -ESRCH && i < sizeof(roots) / sizeof(roots[0]); i++)
                if (cgroup_find(roots[i], id, pid, ret, size) == 0)
                        return true;
        return false;
}

/* While it lives nobody else has its pid. EPERM: another user's process, and so a living one. */
static bool lives(int process) {
        return syscall(SYS_pidfd_send_signal, process, 0, NULL, 0) == 0 || errno == EPERM;
}

/* Finds the unit by the pid, and then makes sure that it was this process's. */
static bool find_unit(int process, char ret[UNIT_NAME_MAX]) {
        static char cgroup[PATH_MAX];
        uint64_t id;
        pid_t pid = get_pid(process, &id);

        return pid > 0 && lives(process) && find_cgroup(pid, id, cgroup, sizeof(cgroup)) &&
               unit_of_cgroup(cgroup, ret, UNIT_NAME_MAX) == 0 && lives(process);
}

/* A worker that has waited long enough is gone; so it may get no answer. */
static void answer(int question) {
        _cleanup_fd_ int process = -1;
        char byte, unit[UNIT_NAME_MAX];

        if (fdpass_receive(question, &byte, 1, MSG_DONTWAIT, &process) == 1 && process >= 0 &&
            find_unit(process, unit))
                (void)fdpass_send(question, unit, strlen(unit), -1);
}

static _Noreturn void run(int registry) {
        ssize_t n;

        do {
                _cleanup_fd_ int question = -1;
                char byte;

                n = fdpass_receive(registry, &byte, 1, 0, &question);
                if (n > 0 && question >= 0)
                        answer(question);
        } while (n > 0 || n == -EINTR || n == -EBADMSG);
        _exit(n < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* Should: read /proc and the control groups. Mustn't: have the capability. */
pid_t registrar_start(int registry) {
        static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP };
        pid_t pid = fork();

        if (pid != 0)
                return pid < 0 ? -errno : pid;
        for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
                (void)signal(ignored[i], SIG_IGN);
        run(child_begin("lowportd-units", registry));
}
