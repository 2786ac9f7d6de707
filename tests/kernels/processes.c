/* SPDX-License-Identifier: MIT */
#include "scenarios.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "people.h"
#include "scenario.h"

/* A line of /proc/PID/status; the number in it. */
static unsigned long long status_of(pid_t pid, const char *name, int base) {
        char path[64], line[256];
        unsigned long long value = ~0ULL;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL)
                if (strncmp(line, name, strlen(name)) == 0)
                        (void)sscanf(line + strlen(name), base == 16 ? "%llx" : "%llu", &value);
        if (file != NULL)
                (void)fclose(file);
        return value;
}

static void has_capability(pid_t pid, unsigned long long permitted) {
        expect_number(status_of(pid, "Uid:", 10), DAEMON);
        expect_number(status_of(pid, "CapPrm:", 16), permitted);
        expect_number(status_of(pid, "CapEff:", 16), 0);
        expect_number(status_of(pid, "CapInh:", 16), 0);
        expect_number(status_of(pid, "CapAmb:", 16), 0);
}

void process_privileges(void) {
        pid_t workers[DAEMON_PROCESSES];
        unsigned n;

        daemon_start("allow user alice tcp 80\n", NULL);
        (void)close(ask_granted(ALICE, IPPROTO_TCP, "::", 80));
        await(daemon_is_idle());
        has_capability(daemon_manager(), 0);
        has_capability(daemon_binder(), 1U << CAP_NET_BIND_SERVICE);
        n = daemon_workers(workers);
        expect(n >= 4);
        for (unsigned i = 0; i < n; i++)
                if (status_of(workers[i], "Uid:", 10) != ~0ULL) /* one may have served, and gone */
                        has_capability(workers[i], 1U << CAP_NET_BIND_SERVICE);
        daemon_stop();
}

void process_killed_worker(void) {
        pid_t workers[DAEMON_PROCESSES];
        unsigned before;

        daemon_start("allow user alice tcp 80\n", NULL);
        await(daemon_is_idle());
        before = daemon_workers(workers);
        for (unsigned i = 0; i < 3; i++) {
                unsigned n = daemon_workers(workers);

                for (unsigned j = 0; j < n; j++)
                        (void)kill(workers[j], SIGKILL);
                for (unsigned j = 0; j < n; j++)
                        await(daemon_is_gone(workers[j]));
                (void)close(ask_granted(ALICE, IPPROTO_TCP, "::", 80));
        }
        await(daemon_workers(workers) >= before);
        daemon_stop();
}

/* Kills one process and sees the others end. Returns how lowportd ended. */
static int kill_one(bool binder_only) {
        pid_t binder, workers[DAEMON_PROCESSES];
        unsigned n;
        int status;

        daemon_start("allow user alice tcp 80\n", NULL);
        binder = daemon_binder();
        n = daemon_workers(workers);
        (void)kill(binder_only ? binder : daemon_manager(), SIGKILL);
        status = daemon_ended();
        await(daemon_is_gone(binder));
        for (unsigned i = 0; i < n; i++)
                await(daemon_is_gone(workers[i]));
        return status;
}

/* A service manager starts it again, and it takes its sockets over. */
static void start_again(void) {
        daemon_start("allow user alice tcp 80\n", NULL);
        (void)close(ask_granted(ALICE, IPPROTO_TCP, "::", 80));
        daemon_stop();
}

void process_killed_binder(void) {
        expect_number(kill_one(true), 1);
        daemon_says("binder", "");
        start_again();
}

void process_killed_daemon(void) {
        expect_number(kill_one(false), 128 + SIGKILL);
        start_again();
}
