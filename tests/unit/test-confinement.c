/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/landlock.h"
#include "lowportd/confinement.h"

static char directory[64], elsewhere[64];

static bool has_landlock(int version) {
        return syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1) >= version;
}

static void path_in_directory(const char *name, char ret[128]) {
        (void)snprintf(ret, 128, "%s/%s", directory, name);
}

static void make_file(const char *where) {
        char path[128];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/file", where);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
}

static void make_files(void) {
        make_file(directory);
        make_file(elsewhere);
}

/* ---- what a process then can do; each returns 0 or an errno ---- */

static int read_file(void) {
        _cleanup_fd_ int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? errno : 0;
}

static int write_file(void) {
        char path[128];
        _cleanup_fd_ int fd = -1;

        path_in_directory("file", path);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? errno : 0;
}

static int make_another(void) {
        char path[128];
        _cleanup_fd_ int fd = -1;

        path_in_directory("new", path);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        return fd < 0 ? errno : 0;
}

static int remove_file(void) {
        char path[128];

        path_in_directory("file", path);
        return unlink(path) < 0 ? errno : 0;
}

static int remove_elsewhere(void) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/file", elsewhere);
        return unlink(path) < 0 ? errno : 0;
}

static int start_program(void) {
        static char name[] = "/bin/true";
        char *const arguments[] = { name, NULL };

        (void)execv(name, arguments); /* its exit status is 0, too */
        return errno;
}

static int bind_tcp(void) {
        const struct sockaddr_in address = { .sin_family = AF_INET };
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

static int signal_parent(void) {
        return kill(getppid(), 0) < 0 ? errno : 0;
}

static int dump_core(void) {
        struct rlimit core;

        return getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max == 0 ? EPERM : 0;
}

static int gain_privileges(void) {
        return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
}

/* ---- who ---- */

static void nobody(void) {
}

static void manager_with_socket(void) {
        char path[128];
        struct listeners listeners = { .open = { .fd = -1 }, .own = { .fd = -1 } };

        path_in_directory("socket", path);
        listeners.own.path = path;
        confinement_enter_manager(&listeners);
}

static void manager_without(void) {
        const struct listeners listeners = { .open = { .fd = -1 }, .own = { .fd = -1 } };

        confinement_enter_manager(&listeners);
}

static void loader(void) {
        confinement_enter_child();
        confinement_enter_loader();
}

/* What comes of `attempt` in a process that has confined itself. */
static int outcome(void (*confine)(void), int (*attempt)(void)) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                confine();
                _exit(attempt());
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static const struct {
        const char *name;
        int (*attempt)(void);
        int landlock;                   /* the version that it takes; 0: none */
        int child, manager, socketless; /* what is to come of it */
} cases[] = {
        { "read a file", read_file, 1, 0, 0, 0 },
        { "write to a file", write_file, 1, EACCES, EACCES, EACCES },
        { "make a file", make_another, 1, EACCES, EACCES, EACCES },
        { "remove a socket's neighbour", remove_file, 1, EACCES, 0, EACCES },
        { "remove a file elsewhere", remove_elsewhere, 1, EACCES, EACCES, EACCES },
        { "start a program", start_program, 1, EACCES, EACCES, EACCES },
        { "bind a TCP port", bind_tcp, 4, EACCES, EACCES, EACCES },
        { "signal the parent", signal_parent, 6, EPERM, 0, 0 },
        { "leave a core", dump_core, 0, EPERM, EPERM, EPERM },
        { "gain privileges", gain_privileges, 0, EPERM, EPERM, EPERM },
};

static void what_each_may(void **state) {
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                if (!has_landlock(cases[i].landlock))
                        continue;
                print_message("%s\n", cases[i].name);
                make_files();
                assert_int_equal(outcome(confinement_enter_child, cases[i].attempt),
                                 cases[i].child);
                assert_int_equal(outcome(loader, cases[i].attempt), cases[i].child);
                assert_int_equal(outcome(manager_without, cases[i].attempt), cases[i].socketless);
                assert_int_equal(outcome(manager_with_socket, cases[i].attempt), cases[i].manager);
        }
}

/* The attempts are good ones. */
static void what_nobody_forbids(void **state) {
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                make_files();
                if (cases[i].landlock > 0)
                        assert_int_equal(outcome(nobody, cases[i].attempt), 0);
        }
}

static int compute_for_ever(void) {
        struct rlimit cpu;

        return getrlimit(RLIMIT_CPU, &cpu) < 0 || cpu.rlim_max == RLIM_INFINITY ? 0 : EPERM;
}

/* Memory that is written to; a sanitizer has its own ways with it. */
static int take_memory(void) {
#ifdef LOWPORT_SANITIZED
        return ENOMEM;
#else
        size_t size = (size_t)2048 * 1048576;
        volatile char *memory = malloc(size);

        if (memory == NULL)
                return errno;
        memory[0] = 1;
        free((void *)(uintptr_t)memory);
        return 0;
#endif
}

static void the_loader_is_bounded(void **state) {
        (void)state;
        assert_int_equal(outcome(loader, compute_for_ever), EPERM);
        assert_int_equal(outcome(loader, take_memory), ENOMEM);
        assert_int_equal(outcome(confinement_enter_child, compute_for_ever), 0);
}

/* ---- Landlock itself ---- */

static void rights_are_those_of_the_kernel(void **state) {
        struct landlock_rights rights = {
                .files = LANDLOCK_ALL_FILES,
                .tcp = LANDLOCK_BIND_TCP,
                .scopes = LANDLOCK_SIGNALS,
        };
        int rules = landlock_create(&rights);

        (void)state;
        if (!has_landlock(1)) {
                assert_true(rules == -ENOSYS || rules == -EOPNOTSUPP);
                fixture_skip("this kernel has no Landlock");
        }
        assert_true(rules >= 0);
        assert_true((rights.files & LANDLOCK_READ_FILE) != 0);
        assert_int_equal(rights.tcp, has_landlock(4) ? LANDLOCK_BIND_TCP : 0);
        assert_int_equal(rights.scopes, has_landlock(6) ? LANDLOCK_SIGNALS : 0);
        assert_int_equal(landlock_allow_files(rules, "/no/such/directory", LANDLOCK_READ_FILE),
                         -ENOENT);
        (void)close(rules);
        assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_int_equal(landlock_enforce(rules), -EBADF);
}

static int set_up(void **state) {
        (void)state;
        fixture_make_directory(directory);
        fixture_make_directory(elsewhere);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        fixture_remove_directory(directory);
        fixture_remove_directory(elsewhere);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_each_may),
                cmocka_unit_test(what_nobody_forbids),
                cmocka_unit_test(the_loader_is_bounded),
                cmocka_unit_test(rights_are_those_of_the_kernel),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
