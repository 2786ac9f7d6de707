/* SPDX-License-Identifier: MIT */
#include "programs.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "kernel.h"
#include "people.h"
#include "scenario.h"
#include "scenarios.h"

#define LOWPORT "/usr/bin/lowport"
#define SELF    "/usr/bin/scenarios"

enum {
        PORT = 80,
        SIGNAL_EVERY = 20000, /* microseconds */
        SIGNALLED_BINDS = 50,
        MOMENT = 1000, /* milliseconds */
};

/* ---- the servers ---- */

/* Sends each client the byte that it sent, until one sends 'q'. */
static int serve(int listener) {
        char byte = 0;

        while (byte != 'q') {
                int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                if (client < 0)
                        return errno;
                (void)!read(client, &byte, 1);
                (void)!write(client, &byte, 1);
                (void)close(client);
        }
        return 0;
}

int program_serve_inherited(void) {
        return serve(3);
}

static struct sockaddr_in loopback(uint16_t port) {
        return (struct sockaddr_in){
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
}

/* As servers do it, to start over the connections of their predecessor. */
static int reusable_socket(void) {
        static const int on = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        return fd;
}

struct work {
        uint16_t port;
        bool alone, library;
        int error;
};

static void bind_and_serve(struct work *work) {
        struct sockaddr_in name = loopback(work->port);
        const struct sockaddr *address = (struct sockaddr *)&name;
        int fd = reusable_socket();
        int r = work->library ? lowport_bind(fd, address, sizeof(name))
                              : bind(fd, address, sizeof(name));

        if (r < 0 || listen(fd, 5) < 0)
                work->error = errno;
        else
                work->error = serve(fd);
}

static void *run_alone(void *argument) {
        struct work *work = argument;

        if (unshare(CLONE_FILES) < 0)
                work->error = errno;
        else
                bind_and_serve(work);
        return NULL;
}

static int serve_in_thread(struct work *work) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, run_alone, work) != 0)
                return EAGAIN;
        (void)pthread_join(thread, NULL);
        return work->error;
}

static void interrupted(int number) {
        (void)number;
}

/* Once the daemon has been asked, no signal may start the call anew: the socket is bound then. */
static int bind_interrupted(uint16_t port) {
        struct sigaction action = { .sa_handler = interrupted, .sa_flags = SA_RESTART };
        struct itimerval every = { .it_interval.tv_usec = SIGNAL_EVERY,
                                   .it_value.tv_usec = SIGNAL_EVERY };
        struct sockaddr_in name = loopback(port);

        (void)sigaction(SIGALRM, &action, NULL);
        (void)setitimer(ITIMER_REAL, &every, NULL);
        for (unsigned i = 0; i < SIGNALLED_BINDS; i++) {
                int fd = reusable_socket();

                if (bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
                        return errno;
                (void)close(fd);
        }
        return 0;
}

int program_serve(const char *how, const char *port) {
        struct work work = {
                .port = (uint16_t)strtoul(port, NULL, 10),
                .library = strcmp(how, "library") == 0,
        };

        if (strcmp(how, "signals") == 0)
                return bind_interrupted(work.port);
        if (strcmp(how, "thread") == 0)
                return serve_in_thread(&work);
        bind_and_serve(&work);
        return work.error;
}

/* ---- the scenarios ---- */

static int exchange(char byte) {
        struct sockaddr_in name = loopback(PORT);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r = -1;
        char answer = 0;

        if (connect(fd, (struct sockaddr *)&name, sizeof(name)) == 0 && write(fd, &byte, 1) == 1 &&
            read(fd, &answer, 1) == 1)
                r = answer;
        (void)close(fd);
        return r;
}

/* Starts a server as alice, is served, tells it to end, and sees that it does. */
static void serves(const char *const arguments[]) {
        pid_t pid = people_start(ALICE, arguments, STDERR_FILENO);
        int status = 0;

        await(exchange('a') == 'a' || waitpid(pid, &status, WNOHANG) == pid);
        expect_number(WEXITSTATUS(status), 0);
        expect(exchange('b') == 'b');
        expect(exchange('q') == 'q');
        expect(waitpid(pid, &status, 0) == pid);
        expect_number(status, 0);
}

#define SERVES(...) serves((const char *const[]){ __VA_ARGS__, NULL })

void program_run(void) {
        daemon_start("allow user alice tcp 80\n", NULL);
        SERVES(LOWPORT, "run", "--no-direct", "-l", "tcp:80", "--", SELF, "--serve-inherited");
        daemon_says("granted tcp [::]:80 to alice", "");
        daemon_stop();
}

void program_run_own(void) {
        daemon_start("allow user alice tcp 80\n", NULL);
        SERVES(LOWPORT, "run", "--own", "-l", "tcp:80", "--", SELF, "--serve-inherited");
        daemon_says("granted tcp [::]:80 to alice", "");
        daemon_stop();
}

void program_library(void) {
        daemon_start("allow user alice tcp 80\n", NULL);
        SERVES(SELF, "--serve", "library", "80");
        daemon_says("granted tcp 127.0.0.1:80 to alice", "");
        daemon_stop();
}

void program_wrap(void) {
        daemon_start("allow user alice tcp 80\n", NULL);
        SERVES(LOWPORT, "wrap", "--via=seccomp", "--", SELF, "--serve", "plain", "80");
        daemon_says("granted tcp 127.0.0.1:80 to alice", "");
        daemon_stop();
}

/* Before Linux 6.9 the descriptors of such a thread cannot be taken: bind(2) is refused, and nothing
 * else is bound in its place. */
void program_wrap_thread(void) {
        static const char *const arguments[] = { LOWPORT,  "wrap", "--via=seccomp",
                                                 "--",     SELF,   "--serve",
                                                 "thread", "80",   NULL };
        char text[1024];

        daemon_start("allow user alice tcp 80\n", NULL);
        if (kernel.thread_pidfd) {
                serves(arguments);
                note("bound");
        } else {
                expect_number(people_run(ALICE, text, sizeof(text), arguments), EACCES);
                expect(strstr(text, "descriptors") != NULL);
                note("refused with EACCES, and said why");
        }
        daemon_stop();
}

void program_wrap_signals(void) {
        static const char *const arguments[] = { LOWPORT,   "wrap", "--via=seccomp",
                                                 "--",      SELF,   "--serve",
                                                 "signals", "80",   NULL };
        char text[1024];

        daemon_start("allow user alice tcp 80\n", NULL);
        expect_number(people_run(ALICE, text, sizeof(text), arguments), 0);
        expect_number(daemon_status().failed, 0);
        daemon_stop();
}

/* What the supervisor holds of the program is its standard error: when does who reads that see the
 * end? At the latest, when it has waited for the program. */
void program_wrap_ends(void) {
        static const char *const arguments[] = { LOWPORT,   "wrap", "--via=seccomp",
                                                 "--",      SELF,   "--serve",
                                                 "signals", "80",   NULL };
        int pipes[2];
        siginfo_t info;
        pid_t pid;

        daemon_start("allow user alice tcp 80\n", NULL);
        if (pipe2(pipes, O_CLOEXEC) < 0)
                fail("pipe: %s", strerror(errno));
        pid = people_start(ALICE, arguments, pipes[1]);
        (void)close(pipes[1]);
        expect(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
        expect_number(info.si_status, 0);
        note(ask_is_answered(pipes[0], MOMENT) ? "with the program"
                                               : "once the program has been waited for");
        expect(waitpid(pid, NULL, 0) == pid);
        expect(ask_is_answered(pipes[0], -1));
        expect_number(read(pipes[0], &info, 1), 0);
        daemon_stop();
}
