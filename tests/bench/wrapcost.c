/* SPDX-License-Identifier: MIT */

/* What `lowport wrap` costs a program that it has nothing to do for: the same work, in turns, by a
 * program that is wrapped and one that is not.
 *
 *     wrapcost LOWPORT [ROUNDS] */

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OTHER = 'o', BIND = 'b', OTHERS = 100000, BINDS = 2000, ROUNDS = 50, ROUNDS_MAX = 1000 };

struct worker {
        pid_t pid;
        int to, from;
};

static double now(void) {
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds for one call that the filter lets pass. */
static double measure_other(void) {
        double begin = now();

        for (int i = 0; i < OTHERS; i++)
                (void)syscall(SYS_getppid);
        return (now() - begin) / OTHERS;
}

/* Nanoseconds for one bind(2) that needs no privilege; the rest is not counted. */
static double measure_bind(void) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(8080) };
        double total = 0;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (int i = 0; i < BINDS; i++) {
                int fd = socket(AF_INET, SOCK_STREAM, 0);
                double begin = now();

                if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                        return 0;
                total += now() - begin;
                (void)close(fd);
        }
        return total / BINDS;
}

static int work(void) {
        double value;
        char what;

        while (read(STDIN_FILENO, &what, 1) == 1) {
                value = what == OTHER ? measure_other() : measure_bind();
                if (write(STDOUT_FILENO, &value, sizeof(value)) != (ssize_t)sizeof(value))
                        return 1;
        }
        return 0;
}

static int start(char **command, struct worker *ret) {
        int to[2], from[2];

        if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
                return -1;
        ret->pid = fork();
        if (ret->pid == 0) {
                (void)dup2(to[0], STDIN_FILENO);
                (void)dup2(from[1], STDOUT_FILENO);
                (void)close(to[1]);
                (void)close(from[0]);
                (void)execvp(command[0], command);
                _exit(127);
        }
        (void)close(to[0]);
        (void)close(from[1]);
        ret->to = to[1];
        ret->from = from[0];
        return ret->pid < 0 ? -1 : 0;
}

static void stop(const struct worker *worker) {
        (void)close(worker->to);
        (void)waitpid(worker->pid, NULL, 0);
}

static double ask(const struct worker *worker, char what) {
        double value = 0;

        if (write(worker->to, &what, 1) != 1 ||
            read(worker->from, &value, sizeof(value)) != (ssize_t)sizeof(value) || value <= 0) {
                (void)fputs("wrapcost: a worker does not answer\n", stderr);
                exit(1);
        }
        return value;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double *values, int n) {
        qsort(values, (size_t)n, sizeof(*values), compare);
        return values[n / 2];
}

static void report(const char *name,
                   const struct worker *plain,
                   const struct worker *wrapped,
                   char what,
                   int n) {
        static double plains[ROUNDS_MAX], wrappeds[ROUNDS_MAX], ratios[ROUNDS_MAX];

        for (int i = 0; i < n; i++) {
                plains[i] = ask(plain, what);
                wrappeds[i] = ask(wrapped, what);
                ratios[i] = wrappeds[i] / plains[i];
        }
        printf("%-24s plain %8.0f ns  wrapped %8.0f ns  ratio %.3f\n",
               name,
               median(plains, n),
               median(wrappeds, n),
               median(ratios, n));
}

int main(int argc, char **argv) {
        static char self[] = "/proc/self/exe", worker[] = "worker", wrap[] = "wrap",
                    via[] = "--via=seccomp", end[] = "--";
        struct worker plain, wrapped;
        int n = argc > 2 ? atoi(argv[2]) : ROUNDS;

        if (argc == 2 && strcmp(argv[1], worker) == 0)
                return work();
        if (argc < 2 || n < 1 || n > ROUNDS_MAX) {
                (void)fputs("usage: wrapcost LOWPORT [ROUNDS]\n", stderr);
                return 2;
        }
        char *alone[] = { self, worker, NULL };
        char *under[] = { argv[1], wrap, via, end, argv[0], worker, NULL };

        if (start(alone, &plain) < 0 || start(under, &wrapped) < 0)
                return 1;
        report("getppid", &plain, &wrapped, OTHER, n);
        report("bind to port 8080", &plain, &wrapped, BIND, n);
        stop(&plain);
        stop(&wrapped);
        return 0;
}
