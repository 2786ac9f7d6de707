/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
        SECONDS = 60,        /* that a scenario may take, on a slow machine */
        SECONDS_TO_END = 10, /* for what it has started, once that was killed */
};

/* What the scenario has to say. The page is shared with the runner. */
struct story {
        char text[2048];
        char awaited[256]; /* in vain, if the deadline comes */
};

static struct story *story;

uint64_t milliseconds(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- in the scenario's process ---- */

/* One line, whatever the text. */
static void add(const char *format, va_list arguments) {
        size_t n = strlen(story->text);

        if (n > 0)
                n += (size_t)snprintf(story->text + n, sizeof(story->text) - n, ", ");
        if (n < sizeof(story->text))
                (void)vsnprintf(story->text + n, sizeof(story->text) - n, format, arguments);
        for (char *c = story->text; *c != '\0'; c++)
                if (*c == '\n' || *c == '\t')
                        *c = ' ';
}

void note(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        add(format, arguments);
        va_end(arguments);
}

void fail(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        add(format, arguments);
        va_end(arguments);
        _exit(1);
}

void scenario_expect_number(const char *file,
                            int line,
                            const char *what,
                            long long value,
                            long long wanted) {
        if (value != wanted)
                fail("%s:%d: %s is %lld, not %lld", file, line, what, value, wanted);
}

void scenario_awaits(const char *file, int line, const char *what) {
        (void)snprintf(story->awaited, sizeof(story->awaited), "%s:%d: %s", file, line, what);
}

void scenario_pause(void) {
        (void)usleep(20000);
}

/* Ports and connections of others do not matter here: the network is the scenario's own. */
static void make_network(void) {
        struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        int fd = -1;

        if (unshare(CLONE_NEWNET) < 0 || (fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ||
            ioctl(fd, SIOCSIFFLAGS, &loopback) < 0)
                fail("a network: %s", strerror(errno));
        (void)close(fd);
}

static _Noreturn void live(const struct scenario *scenario) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        (void)signal(SIGPIPE, SIG_IGN);
        make_network();
        scenario->run();
        _exit(0);
}

/* ---- in the runner ---- */

/* Returns the exit status, or -1 when it had to be killed. */
static int wait_for(pid_t pid) {
        uint64_t until = milliseconds() + SECONDS * UINT64_C(1000);
        int status = 0;

        while (waitpid(pid, &status, WNOHANG) == 0) {
                if (milliseconds() > until) {
                        (void)kill(pid, SIGKILL);
                        (void)waitpid(pid, &status, 0);
                        return -1;
                }
                scenario_pause();
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void kill_children(void) {
        char path[64];
        FILE *file;
        int pid;

        (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
        file = fopen(path, "re");
        while (file != NULL && fscanf(file, "%d", &pid) == 1)
                (void)kill(pid, SIGKILL);
        if (file != NULL)
                (void)fclose(file);
}

/* Ends what a scenario has left. All of it is, or becomes, the runner's own child. */
static bool clean_up(void) {
        uint64_t until = milliseconds() + SECONDS_TO_END * UINT64_C(1000);

        for (;;) {
                pid_t pid;

                kill_children();
                while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
                        ;
                if (pid < 0 && errno == ECHILD)
                        return true;
                if (milliseconds() > until)
                        return false;
                scenario_pause();
        }
}

static bool run_one(const struct scenario *scenario) {
        uint64_t begin = milliseconds(), took;
        int status;
        pid_t pid;

        memset(story, 0, sizeof(*story));
        (void)fflush(stdout);
        pid = fork();
        if (pid < 0)
                err(1, "%s", scenario->name);
        if (pid == 0)
                live(scenario);
        status = wait_for(pid);
        took = milliseconds() - begin;
        if (status < 0)
                note("it died, or hung in %s", story->awaited);
        if (!clean_up()) {
                status = -1;
                note("processes of it do not end");
        }
        printf("%s\t%s\t%s\t%llu\n",
               scenario->name,
               status == 0 ? "ok" : "FAILED",
               story->text,
               (unsigned long long)took);
        return status == 0;
}

unsigned scenario_run_all(const struct scenario *scenarios, const char *only) {
        unsigned failed = 0;

        story = mmap(
                NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (story == MAP_FAILED || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
                err(1, "the runner");
        for (; scenarios->name != NULL; scenarios++)
                if (only == NULL || strstr(scenarios->name, only) != NULL)
                        failed += !run_one(scenarios);
        (void)fflush(stdout);
        return failed;
}
