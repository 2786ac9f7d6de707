/* SPDX-License-Identifier: MIT */
#include "people.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "scenario.h"

static const gid_t daemons_group[] = { DAEMON };

static size_t groups_of(uid_t uid) {
        return uid == ALICE || uid == BOB ? 1 : 0;
}

static void drop_bounding_set(int but) {
        for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
                if (capability != but && prctl(PR_CAPBSET_DROP, capability) < 0)
                        fail("PR_CAPBSET_DROP: %s", strerror(errno));
}

static void change_ids(uid_t uid) {
        if (setgroups(groups_of(uid), daemons_group) < 0 || setresgid(uid, uid, uid) < 0 ||
            setresuid(uid, uid, uid) < 0)
                fail("cannot become user %u: %s", uid, strerror(errno));
}

void people_become(uid_t uid) {
        if (uid != ROOT) {
                drop_bounding_set(-1);
                change_ids(uid);
        }
        /* After the change: it takes this away. What changed its user cannot be looked into. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
                fail("prctl: %s", strerror(errno));
}

void people_become_capable(uid_t uid, int capability) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { 0 };

        drop_bounding_set(capability);
        if (prctl(PR_SET_KEEPCAPS, 1) < 0)
                fail("PR_SET_KEEPCAPS: %s", strerror(errno));
        change_ids(uid);
        data[0].permitted = data[0].inheritable = data[0].effective = 1U << capability;
        if (syscall(SYS_capset, &header, data) < 0 ||
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                fail("cannot keep a capability: %s", strerror(errno));
}

/* For one call: it is the effective ids that a connection and a socket have. */
static void act_as(uid_t uid) {
        if (setgroups(groups_of(uid), daemons_group) < 0 || setegid(uid) < 0 || seteuid(uid) < 0)
                fail("cannot act as user %u: %s", uid, strerror(errno));
}

static void act_as_root(void) {
        if (seteuid(ROOT) < 0 || setegid(ROOT) < 0 || setgroups(0, NULL) < 0)
                fail("cannot act as root again: %s", strerror(errno));
}

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void)strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                fd = close_fd(fd);
        return fd;
}

int people_connect(uid_t uid, const char *path) {
        int fd, saved;

        act_as(uid);
        fd = connect_to(path);
        saved = errno;
        act_as_root();
        errno = saved;
        return fd;
}

int people_socket(uid_t uid, int domain, int type) {
        int fd;

        act_as(uid);
        fd = socket(domain, type | SOCK_CLOEXEC, 0);
        act_as_root();
        if (fd < 0)
                fail("socket: %s", strerror(errno));
        return fd;
}

/* A child goes elsewhere and sends back what it has made there. */
static int make_elsewhere(uid_t uid, const char *path, int domain, int type) {
        int pair[2], fd = -1;
        char byte;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || (pid = fork()) < 0)
                fail("a child for elsewhere: %s", strerror(errno));
        if (pid == 0) {
                if (unshare(CLONE_NEWNET) < 0)
                        fail("unshare: %s", strerror(errno));
                fd = path != NULL ? people_connect(uid, path) : people_socket(uid, domain, type);
                _exit(fdpass_send(pair[1], "", 1, fd) < 0);
        }
        if (waitpid(pid, NULL, 0) != pid || fdpass_receive(pair[0], &byte, 1, 0, &fd) != 1)
                fail("nothing came from elsewhere");
        (void)close(pair[0]);
        (void)close(pair[1]);
        return fd;
}

int people_connect_elsewhere(uid_t uid, const char *path) {
        return make_elsewhere(uid, path, 0, 0);
}

int people_socket_elsewhere(uid_t uid, int domain, int type) {
        return make_elsewhere(uid, NULL, domain, type);
}

pid_t people_start(uid_t uid, const char *const arguments[], int output) {
        pid_t pid = fork();

        if (pid < 0)
                fail("fork: %s", strerror(errno));
        if (pid > 0)
                return pid;
        if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
                fail("dup2: %s", strerror(errno));
        people_become(uid);
        execv(arguments[0], (char *const *)(uintptr_t)arguments);
        fail("%s: %s", arguments[0], strerror(errno));
}

int people_run(uid_t uid, char *text, size_t size, const char *const arguments[]) {
        int status = 0, output = memfd_create("output", MFD_CLOEXEC);
        pid_t pid = people_start(uid, arguments, output);
        ssize_t n;

        if (output < 0 || waitpid(pid, &status, 0) != pid)
                fail("%s: %s", arguments[0], strerror(errno));
        n = pread(output, text, size - 1, 0);
        text[n > 0 ? n : 0] = '\0';
        (void)close(output);
        if (!WIFEXITED(status))
                fail("%s died, and said: %s", arguments[0], text);
        return WEXITSTATUS(status);
}
