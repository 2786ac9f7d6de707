/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "common/cleanup.h"
#include "people.h"
#include "scenario.h"

#define LOG      "/run/world/log"
#define NOTIFY   "/run/world/notify"
#define LOWPORTD "/usr/sbin/lowportd"

enum {
        OPTIONS_MAX = 32,
        SAYS_WITHIN = 15000, /* milliseconds */
};

static struct {
        pid_t pid;
        int news;   /* what it tells the service manager */
        long since; /* where in the log it begins */
} it = { .news = -1 };

static void write_policy(const char *policy) {
        FILE *file = fopen(DAEMON_POLICY ".new", "we");

        if (file == NULL || fputs(policy, file) < 0 || fclose(file) != 0 ||
            rename(DAEMON_POLICY ".new", DAEMON_POLICY) < 0)
                fail("cannot write the policy: %s", strerror(errno));
}

/* ---- what it says ---- */

static bool log_has(const char *text, const char *also) {
        char line[1024];
        bool found = false;
        FILE *file = fopen(LOG, "re");

        if (file == NULL || fseek(file, it.since, SEEK_SET) < 0)
                fail("%s: %s", LOG, strerror(errno));
        while (!found && fgets(line, sizeof(line), file) != NULL)
                found = strstr(line, text) != NULL && strstr(line, also) != NULL;
        (void)fclose(file);
        return found;
}

bool daemon_said(const char *text) {
        return log_has(text, "");
}

static _Noreturn void fail_with_log(const char *what) {
        char text[900] = "";
        FILE *file = fopen(LOG, "re");

        if (file != NULL && fseek(file, it.since, SEEK_SET) == 0)
                text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fail("%s, and says: %s", what, text);
}

void daemon_says(const char *text, const char *also) {
        uint64_t until = milliseconds() + SAYS_WITHIN;
        char what[256];

        while (!log_has(text, also)) {
                if (milliseconds() > until) {
                        (void)snprintf(what, sizeof(what), "\"%s\" with \"%s\" lacks", text, also);
                        fail_with_log(what);
                }
                scenario_pause();
        }
}

/* It stays to be waited for. */
static bool has_ended(pid_t pid) {
        siginfo_t info = { 0 };

        return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid == pid;
}

/* Waits for a message to the service manager that has this line. */
static bool notified(const char *wanted) {
        char message[1024];

        for (;;) {
                ssize_t n = recv(it.news, message, sizeof(message) - 1, MSG_DONTWAIT);

                if (n > 0) {
                        message[n] = '\0';
                        if (strstr(message, wanted) != NULL)
                                return true;
                } else if (has_ended(it.pid)) {
                        return false;
                } else {
                        scenario_pause();
                }
        }
}

static int open_news(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NOTIFY };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void)unlink(NOTIFY);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            chmod(NOTIFY, 0666) < 0)
                fail("%s: %s", NOTIFY, strerror(errno));
        return fd;
}

/* ---- start ---- */

static _Noreturn void become_lowportd(const char *const options[], int log) {
        const char *arguments[OPTIONS_MAX] = { LOWPORTD };
        size_t n = 1;

        for (; options != NULL && *options != NULL && n < OPTIONS_MAX - 1; options++)
                arguments[n++] = *options;
        if (dup2(log, STDERR_FILENO) < 0 || setenv("NOTIFY_SOCKET", NOTIFY, 1) < 0)
                fail("the daemon's log: %s", strerror(errno));
        people_become_capable(DAEMON, CAP_NET_BIND_SERVICE);
        execv(LOWPORTD, (char *const *)(uintptr_t)arguments);
        fail("%s: %s", LOWPORTD, strerror(errno));
}

static void start(const char *policy, const char *const options[]) {
        int log = open(LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        write_policy(policy);
        it.since = lseek(log, 0, SEEK_END);
        it.news = close_fd(it.news);
        it.news = open_news();
        it.pid = fork();
        if (log < 0 || it.pid < 0)
                fail("cannot start the daemon: %s", strerror(errno));
        if (it.pid == 0)
                become_lowportd(options, log);
        (void)close(log);
}

void daemon_start(const char *policy, const char *const options[]) {
        start(policy, options);
        if (!notified("READY=1"))
                fail_with_log("the daemon does not start");
}

int daemon_start_in_vain(const char *policy) {
        start(policy, NULL);
        if (notified("READY=1"))
                fail_with_log("the daemon starts");
        return daemon_ended();
}

void daemon_reload(const char *policy) {
        write_policy(policy);
        if (kill(it.pid, SIGHUP) < 0 || !notified("RELOADING=1") || !notified("READY=1"))
                fail_with_log("no reload");
}

/* ---- processes ---- */

static unsigned children_of(pid_t pid, pid_t ret[DAEMON_PROCESSES]) {
        char path[64];
        unsigned n = 0;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
        file = fopen(path, "re");
        while (file != NULL && n < DAEMON_PROCESSES && fscanf(file, "%d", &ret[n]) == 1)
                n++;
        if (file != NULL)
                (void)fclose(file);
        return n;
}

static bool has_name(pid_t pid, const char *name) {
        char path[64], text[32] = "";
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
        file = fopen(path, "re");
        if (file == NULL || fgets(text, sizeof(text), file) == NULL)
                text[0] = '\0';
        if (file != NULL)
                (void)fclose(file);
        text[strcspn(text, "\n")] = '\0';
        return strcmp(text, name) == 0;
}

pid_t daemon_manager(void) {
        return it.pid;
}

pid_t daemon_binder(void) {
        pid_t pids[DAEMON_PROCESSES];
        unsigned n = children_of(it.pid, pids);

        for (unsigned i = 0; i < n; i++)
                if (has_name(pids[i], "lowport-binder"))
                        return pids[i];
        fail("there is no binder");
}

unsigned daemon_workers(pid_t ret[DAEMON_PROCESSES]) {
        return children_of(daemon_binder(), ret);
}

struct wire_status daemon_status(void) {
        struct wire_request request = { .version = WIRE_VERSION, .operation = WIRE_STATUS };
        struct answer answer;
        int connection = people_connect(ROOT, DAEMON_SOCKET);

        if (connection < 0)
                fail("%s: %s", DAEMON_SOCKET, strerror(errno));
        answer = ask_on(connection, &request);
        (void)close(connection);
        if (answer.closed || answer.reply.reason != LOWPORT_GRANTED)
                fail("no status");
        return answer.reply.status;
}

bool daemon_is_idle(void) {
        struct wire_status status = daemon_status();

        return status.workers == status.workers_idle + 1 && /* it answers this */
               status.own_workers == status.own_workers_idle;
}

unsigned daemon_descriptors(pid_t pid) {
        char path[64];
        unsigned n = 0;
        DIR *directory;

        (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
        directory = opendir(path);
        while (directory != NULL && readdir(directory) != NULL)
                n++;
        if (directory != NULL)
                (void)closedir(directory);
        return n;
}

unsigned daemon_workers_descriptors(void) {
        pid_t pids[DAEMON_PROCESSES];
        unsigned n = daemon_workers(pids), each = n > 0 ? daemon_descriptors(pids[0]) : 0;

        for (unsigned i = 1; i < n; i++)
                if (daemon_descriptors(pids[i]) != each)
                        return 0;
        return each;
}

/* ---- end ---- */

int daemon_ended(void) {
        int status = 0;

        if (waitpid(it.pid, &status, 0) != it.pid)
                fail("the daemon is not there");
        it.pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Orphans become the scenario's own children. */
bool daemon_is_gone(pid_t pid) {
        (void)waitpid(pid, NULL, WNOHANG);
        return kill(pid, 0) < 0 && errno == ESRCH;
}

void daemon_stop(void) {
        pid_t family[DAEMON_PROCESSES], workers[DAEMON_PROCESSES];
        unsigned n = children_of(it.pid, family), n_workers = daemon_workers(workers);

        (void)kill(it.pid, SIGTERM);
        expect_number(daemon_ended(), 0);
        for (unsigned i = 0; i < n; i++)
                await(daemon_is_gone(family[i]));
        for (unsigned i = 0; i < n_workers; i++)
                await(daemon_is_gone(workers[i]));
}
