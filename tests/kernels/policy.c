/* SPDX-License-Identifier: MIT */
#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "kernel.h"
#include "people.h"
#include "scenario.h"

#define GROUPS  "/sys/fs/cgroup"
#define LOWPORT "/usr/bin/lowport"

static enum lowport_reason asks(uid_t uid, uint16_t port) {
        struct answer answer = ask_open(uid, IPPROTO_TCP, "127.0.0.1", port);

        expect(!answer.closed);
        if (answer.fd >= 0)
                (void)close(answer.fd);
        return (enum lowport_reason)answer.reply.reason;
}

void policy_is_reloaded(void) {
        const struct wire_request request = ask_for(WIRE_OPEN, IPPROTO_TCP, "127.0.0.1", 80);
        int kept;
        struct answer answer;

        daemon_start("allow user alice tcp 80\n", NULL);
        kept = people_connect(ALICE, DAEMON_SOCKET);
        (void)close(ask_on(kept, &request).fd);

        daemon_reload("allow user alice tcp 81\n");
        answer = ask_on(kept, &request);
        expect(answer.closed); /* the connection was of the old rules */
        (void)close(kept);
        expect_number(asks(ALICE, 80), LOWPORT_NO_RULE);
        expect_number(asks(ALICE, 81), LOWPORT_GRANTED);

        daemon_reload("allow user alice tcq 80\n");
        daemon_says(DAEMON_POLICY ":1:18", "expected");
        daemon_says("the old one stays in force", "");
        expect_number(asks(ALICE, 81), LOWPORT_GRANTED);
        expect_number(daemon_status().generation, 2);
        daemon_stop();
}

/* ---- units: control groups as a service manager would make them ---- */

static void make_group(const char *path, pid_t pid) {
        char procs[128];
        FILE *file;

        (void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
                fail("%s: %s", path, strerror(errno));
        file = pid != 0 ? fopen(procs, "we") : NULL;
        if (pid != 0 && (file == NULL || fprintf(file, "%d", (int)pid) < 0 || fclose(file) != 0))
                fail("%s: %s", procs, strerror(errno));
}

/* Who asks is a process of a unit. */
static enum lowport_reason asks_in(const char *group, uid_t uid, uint16_t port) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                make_group(group, getpid());
                _exit((int)asks(uid, port));
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
                fail("who asks in %s died", group);
        (void)rmdir(group);
        return (enum lowport_reason)WEXITSTATUS(status);
}

/* A group of its own, and so apart from what else the machine has; killed runs may have left it. */
static const char *slice(void) {
        static char path[96];
        struct stat stat_of_pids;

        if (stat("/proc/self/ns/pid", &stat_of_pids) < 0)
                fail("/proc/self/ns/pid: %s", strerror(errno));
        (void)snprintf(path,
                       sizeof(path),
                       GROUPS "/lowport-test-%llu.slice",
                       (unsigned long long)stat_of_pids.st_ino);
        make_group(path, 0);
        return path;
}

static void unit_counts(void) {
        char nginx[128], other[128];

        (void)snprintf(nginx, sizeof(nginx), "%s/nginx.service", slice());
        (void)snprintf(other, sizeof(other), "%s/other.service", slice());
        expect_number(asks_in(nginx, ALICE, 80), LOWPORT_GRANTED);
        daemon_says("granted", "nginx.service");
        expect_number(asks_in(other, ALICE, 80), LOWPORT_NO_RULE);
        expect_number(asks_in(nginx, CAROL, 80), LOWPORT_NO_RULE);
        expect_number(asks(ALICE, 80), LOWPORT_NO_RULE);
        (void)rmdir(slice());
}

static void is_load_error(const char *rule) {
        char policy[128];

        expect_number(daemon_start_in_vain(rule), 1);
        daemon_says(DAEMON_POLICY ":1:", "SO_PEERPIDFD");
        daemon_start("allow user alice tcp 81\n", NULL);
        (void)snprintf(policy, sizeof(policy), "%sallow user alice tcp 82\n", rule);
        daemon_reload(policy);
        daemon_says("the old one stays in force", "");
        expect_number(asks(ALICE, 81), LOWPORT_GRANTED);
        expect_number(asks(ALICE, 82), LOWPORT_NO_RULE);
        note("a load error that says why");
}

void policy_with_units(void) {
        static const char rule[] = "allow user alice unit nginx.service tcp 80\n";

        if (kernel.peerpidfd) {
                daemon_start(rule, NULL);
                unit_counts();
                note("by unit");
        } else {
                is_load_error(rule);
        }
        daemon_stop();
}

void policy_with_units_alone(void) {
        static const char rule[] = "allow unit nginx.service tcp 80\n";

        if (kernel.peerpidfd) {
                daemon_start(rule, NULL);
                daemon_says(DAEMON_POLICY ":1:", "a unit without a user");
                note("a warning");
        } else {
                is_load_error(rule);
        }
        daemon_stop();
}

/* ---- tools ---- */

static void tool_says(uid_t uid, int status, const char *text, const char *const arguments[]) {
        char output[3072];
        int r = people_run(uid, output, sizeof(output), arguments);

        if (r != status || strstr(output, text) == NULL)
                fail("lowport %s: status %d, and says: %s", arguments[1], r, output);
}

#define TOOL_SAYS(uid, status, text, ...) \
        tool_says(uid, status, text, (const char *const[]){ LOWPORT, __VA_ARGS__, NULL })

void policy_by_tools(void) {
        daemon_start("allow user alice tcp 80\n", NULL);
        (void)close(ask_granted(ALICE, IPPROTO_TCP, "127.0.0.1", 80));
        TOOL_SAYS(CAROL, 0, "1 sockets handed out", "status");
        TOOL_SAYS(CAROL, 0, "1 rules in force", "status");
        TOOL_SAYS(CAROL, 0, "", "check", DAEMON_POLICY);
        TOOL_SAYS(CAROL, 0, DAEMON_POLICY ":1", "explain", "user", "alice", "tcp:80");
        TOOL_SAYS(CAROL, 121, "allow user", "explain", "user", "bob", "tcp:80");
        TOOL_SAYS(ALICE, 0, DAEMON_POLICY ":1", "explain", "--socket", DAEMON_SOCKET, "tcp:80");
        daemon_stop();
}

/* Each protection is there or not as the kernel has it, and never silently. */
void policy_protections(void) {
        static const char *const status[] = { LOWPORT, "status", NULL };
        int version = kernel.landlock;
        const struct {
                const char *name;
                bool here;
        } wanted[] = {
                { "no-new-privileges", true },  { "limits", true },
                { "one-capability", true },     { "system-calls", true },
                { "no-files", version >= 1 },   { "tcp-ports", version >= 4 },
                { "no-signals", version >= 6 }, { "no-descriptors", kernel.passrights },
        };
        char output[3072], *there, *end;

        daemon_start("allow user alice tcp 80\n", NULL);
        expect_number(people_run(ALICE, output, sizeof(output), status), 0);
        there = strstr(output, " confined:");
        expect(there != NULL);
        end = strchr(there, '\n');
        expect(end != NULL);
        *end = '\0';
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
                char line[64];

                if ((strstr(there, wanted[i].name) != NULL) != wanted[i].here)
                        fail("%s: %s", wanted[i].name, there);
                (void)snprintf(line, sizeof(line), "not confined: %s,", wanted[i].name);
                if ((strstr(end + 1, line) != NULL) == wanted[i].here)
                        fail("%s%s", wanted[i].here ? "there is a line " : "no line ", line);
        }
        note("Landlock %d", version);
        daemon_stop();
}
