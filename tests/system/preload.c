/* SPDX-License-Identifier: MIT */

/* Binds as programs do that know nothing of Lowport, in every way that bind(2) may be called, and
 * looks at what else has changed.
 *
 *     preload HOW tcp|udp|mptcp|unix ADDRESS PORT
 *
 * Prints "bound" or the name of the errno. Exit status 3: something changed that must not. */

#include <arpa/inet.h>
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DESCRIPTORS = 256, SIGNALS = 64, TICKS = 20, THREADS = 8, ERRNO_BEFORE = EXDEV };

/* What bind(2) leaves as it is. */
struct around {
        bool open[DESCRIPTORS];
        struct sigaction actions[SIGNALS];
        sigset_t mask, pending;
};

static struct sockaddr_storage address;
static socklen_t address_length;
static int sock = -1;

static void look(struct around *ret) {
        memset(ret, 0, sizeof(*ret));
        for (int fd = 0; fd < DESCRIPTORS; fd++)
                ret->open[fd] = fcntl(fd, F_GETFD) >= 0;
        for (int s = 1; s < SIGNALS; s++)
                (void)sigaction(s, NULL, &ret->actions[s]);
        (void)pthread_sigmask(SIG_SETMASK, NULL, &ret->mask);
        (void)sigpending(&ret->pending);
}

static bool same_actions(const struct around *a, const struct around *b) {
        for (int s = 1; s < SIGNALS; s++)
                if (a->actions[s].sa_handler != b->actions[s].sa_handler ||
                    a->actions[s].sa_flags != b->actions[s].sa_flags)
                        return false;
        return true;
}

static bool same_sets(const struct around *a, const struct around *b) {
        for (int s = 1; s < SIGNALS; s++)
                if (sigismember(&a->mask, s) != sigismember(&b->mask, s) ||
                    sigismember(&a->pending, s) != sigismember(&b->pending, s))
                        return false;
        return true;
}

/* Whatever has changed ends the program: nothing here may be reported as well. */
static void compare(const struct around *a, const struct around *b) {
        if (memcmp(a->open, b->open, sizeof(a->open)) != 0)
                errx(3, "other descriptors are open");
        if (!same_actions(a, b))
                errx(3, "a signal's action has changed");
        if (!same_sets(a, b))
                errx(3, "other signals are blocked or pending");
}

/* Returns 0 or the errno. */
static int bind_and_look(void) {
        struct around before, after;
        int r;

        look(&before);
        errno = ERRNO_BEFORE;
        r = bind(sock, (struct sockaddr *)&address, address_length) == 0 ? 0 : errno;
        if (r == 0 && errno != ERRNO_BEFORE)
                err(3, "errno has changed");
        look(&after);
        compare(&before, &after);
        return r;
}

static void make_ip(const char *protocol, const char *text, const char *port) {
        struct sockaddr_in *in = (struct sockaddr_in *)&address;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
        int type = strcmp(protocol, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
        int number = strcmp(protocol, "mptcp") == 0 ? IPPROTO_MPTCP : 0;

        if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
                in->sin_family = AF_INET;
                in->sin_port = htons((uint16_t)atoi(port));
                address_length = sizeof(*in);
        } else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
                in6->sin6_family = AF_INET6;
                in6->sin6_port = htons((uint16_t)atoi(port));
                address_length = sizeof(*in6);
        } else {
                errx(2, "%s: no address", text);
        }
        sock = socket(address.ss_family, type, number);
        /* What other programs have left on the port is no holder. */
        if (type == SOCK_STREAM)
                (void)setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
}

static void make_unix(const char *path) {
        struct sockaddr_un *un = (struct sockaddr_un *)&address;

        un->sun_family = AF_UNIX;
        (void)snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
        address_length = sizeof(*un);
        sock = socket(AF_UNIX, SOCK_STREAM, 0);
}

static int in_child(pid_t pid) {
        int status;

        if (pid < 0)
                err(2, "fork");
        if (waitpid(pid, &status, 0) < 0)
                err(2, "waitpid");
        if (!WIFEXITED(status))
                errx(3, "the child died of signal %d", WTERMSIG(status));
        return WEXITSTATUS(status);
}

static int by_fork(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(bind_and_look());
        return in_child(pid);
}

/* The child has the parent's memory, and its own descriptors for the same socket. */
static int by_vfork(void) {
        struct around before, after;
        pid_t pid;

        look(&before);
        errno = ERRNO_BEFORE;
        pid = vfork();
        if (pid == 0)
                _exit(bind(sock, (struct sockaddr *)&address, address_length) == 0 ? 0 : errno);
        look(&after);
        compare(&before, &after);
        return in_child(pid);
}

/* The exec'ed program has what its parent's environment says. */
static int by_exec(char **argv) {
        pid_t pid = fork();

        if (pid == 0) {
                argv[1] = (char[]){ "plain" };
                (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
                execv(argv[0], argv);
                _exit(2);
        }
        return in_child(pid) == 0 ? 0 : EACCES;
}

static void *bind_in_thread(void *ret) {
        *(int *)ret = bind_and_look();
        return NULL;
}

/* Thread stacks: struct around alone is too much for the smallest one. */
static void *bind_only(void *ret) {
        errno = ERRNO_BEFORE;
        *(int *)ret = bind(sock, (struct sockaddr *)&address, address_length) == 0 ? 0 : errno;
        return NULL;
}

static void *do_nothing(void *unused) {
        return unused;
}

/* Runs `start` on the smallest stack there is and returns how much of it was written to. */
static size_t stack_taken(void *(*start)(void *), void *argument) {
        size_t size = PTHREAD_STACK_MIN, untouched = 0;
        unsigned char *stack = mmap(
                NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        pthread_attr_t attributes;
        pthread_t thread;

        memset(stack, 0xa5, size);
        (void)pthread_attr_init(&attributes);
        if (pthread_attr_setstack(&attributes, stack, size) != 0 ||
            pthread_create(&thread, &attributes, start, argument) != 0)
                errx(2, "no thread");
        (void)pthread_join(thread, NULL);
        while (untouched < size && stack[untouched] == 0xa5)
                untouched++;
        (void)munmap(stack, size);
        return size - untouched;
}

static int by_thread(void) {
        int r = -1;
        size_t taken = stack_taken(bind_only, &r) - stack_taken(do_nothing, NULL);

        printf("stack %zu of %zu\n", taken, (size_t)PTHREAD_STACK_MIN);
        return r;
}

struct place {
        pthread_barrier_t *start;
        int sock, result;
        struct sockaddr_in in;
};

static void *bind_with_others(void *data) {
        struct place *place = data;

        (void)pthread_barrier_wait(place->start);
        place->result = bind(place->sock, (struct sockaddr *)&place->in, sizeof(place->in)) == 0
                                ? 0
                                : errno;
        return NULL;
}

/* All at once, on PORT and those above it. Returns 0, or the first errno. */
static int by_threads(void) {
        struct place places[THREADS];
        struct around before, after;
        pthread_t threads[THREADS];
        pthread_barrier_t start;
        int r = 0;

        (void)close(sock);
        (void)pthread_barrier_init(&start, NULL, THREADS);
        for (int i = 0; i < THREADS; i++) {
                places[i] = (struct place){ .start = &start, .result = -1 };
                memcpy(&places[i].in, &address, sizeof(places[i].in));
                places[i].in.sin_port = htons((uint16_t)(ntohs(places[i].in.sin_port) + i));
                places[i].sock = socket(AF_INET, SOCK_DGRAM, 0);
        }
        look(&before);
        for (int i = 0; i < THREADS; i++)
                if (pthread_create(&threads[i], NULL, bind_with_others, &places[i]) != 0)
                        errx(2, "no thread");
        for (int i = 0; i < THREADS; i++) {
                (void)pthread_join(threads[i], NULL);
                if (r == 0)
                        r = places[i].result;
        }
        look(&after);
        compare(&before, &after);
        sock = places[0].sock;
        return r;
}

static atomic_int ticks;

static void tick(int number) {
        (void)number;
        if (++ticks == TICKS)
                (void)!write(STDOUT_FILENO, "ticking\n", 8);
}

/* Whoever reads along lets the daemon answer once he has read "ticking". */
static int by_timer(void) {
        struct sigaction action = { .sa_handler = tick }; /* no SA_RESTART */
        struct itimerval every = { { 0, 5000 }, { 0, 5000 } }, never = { 0 };
        int r;

        (void)sigaction(SIGALRM, &action, NULL);
        (void)setitimer(ITIMER_REAL, &every, NULL);
        r = bind(sock, (struct sockaddr *)&address, address_length) == 0 ? 0 : errno;
        (void)setitimer(ITIMER_REAL, &never, NULL);
        return r;
}

static volatile sig_atomic_t handled = -1;

static void bind_in_handler(int number) {
        int saved = errno;

        (void)number;
        handled = bind(sock, (struct sockaddr *)&address, address_length) == 0 ? 0 : errno;
        errno = saved;
}

/* On an alternate stack of the usual size. */
static int by_handler(void) {
        size_t size = (size_t)SIGSTKSZ; /* which depends on the machine's registers */
        stack_t stack = { .ss_sp = malloc(size), .ss_size = size };
        struct sigaction action = { .sa_handler = bind_in_handler, .sa_flags = SA_ONSTACK };

        (void)sigaltstack(&stack, NULL);
        (void)sigaction(SIGUSR1, &action, NULL);
        (void)raise(SIGUSR1);
        (void)sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
        free(stack.ss_sp);
        return handled;
}

static atomic_bool cancelled;

static void *bind_and_be_cancelled(void *ret) {
        (void)bind_in_thread(ret);
        cancelled = true;
        pthread_testcancel();
        cancelled = false;
        return NULL;
}

/* The thread is to end after bind(2), which is no cancellation point. A line on standard input says
 * that it is in there. */
static int by_cancelled_thread(void) {
        pthread_t thread;
        char line[8];
        int r = -1;

        if (pthread_create(&thread, NULL, bind_and_be_cancelled, &r) != 0)
                errx(2, "no thread");
        if (read(STDIN_FILENO, line, sizeof(line)) <= 0)
                errx(2, "nobody said when");
        (void)pthread_cancel(thread);
        (void)!write(STDOUT_FILENO, "cancelled\n", 10);
        (void)pthread_join(thread, NULL);
        if (r < 0)
                errx(3, "cancelled within bind(2)");
        if (!cancelled)
                errx(3, "not cancelled at all");
        return r;
}

/* As a plugin, which nobody preloaded. */
static int by_dlopen(void) {
        void *module = dlopen(getenv("MODULE"), RTLD_NOW | RTLD_LOCAL);
        int (*its)(int, const struct sockaddr *, socklen_t);

        if (module == NULL)
                errx(2, "%s", dlerror());
        its = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(module, "bind");
        return its(sock, (struct sockaddr *)&address, address_length) == 0 ? 0 : errno;
}

/* Standard error has become a file of the program's own. */
static int by_reused_stderr(void) {
        (void)close(STDERR_FILENO);
        if (open("reused", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) != STDERR_FILENO)
                _exit(2);
        return bind_and_look();
}

static int bind_as_told(const char *how, char **argv) {
        if (strcmp(how, "plain") == 0)
                return bind_and_look();
        if (strcmp(how, "fork") == 0)
                return by_fork();
        if (strcmp(how, "vfork") == 0)
                return by_vfork();
        if (strcmp(how, "exec") == 0)
                return by_exec(argv);
        if (strcmp(how, "thread") == 0)
                return by_thread();
        if (strcmp(how, "threads") == 0)
                return by_threads();
        if (strcmp(how, "timer") == 0)
                return by_timer();
        if (strcmp(how, "handler") == 0)
                return by_handler();
        if (strcmp(how, "cancel") == 0)
                return by_cancelled_thread();
        if (strcmp(how, "dlopen") == 0)
                return by_dlopen();
        if (strcmp(how, "reused-stderr") == 0)
                return by_reused_stderr();
        errx(2, "%s: no way to bind", how);
}

int main(int argc, char **argv) {
        int r;

        if (argc != 5)
                errx(2, "usage: preload HOW tcp|udp|mptcp|unix ADDRESS PORT");
        if (strcmp(argv[2], "unix") == 0)
                make_unix(argv[3]);
        else
                make_ip(argv[2], argv[3], argv[4]);
        if (sock < 0)
                err(2, "socket");
        (void)fflush(stdout);
        r = bind_as_told(argv[1], argv);
        if (r != 0) {
                printf("%s\n", strerrorname_np(r));
                return 1;
        }
        if (strcmp(argv[1], "exec") != 0) {
                struct sockaddr_storage now = { 0 };
                socklen_t length = sizeof(now);

                (void)getsockname(sock, (struct sockaddr *)&now, &length);
                if (memcmp(&now, &address, address.ss_family == AF_UNIX ? 2 : 4) != 0)
                        errx(3, "bound to something else");
        }
        puts("bound");
        return 0;
}
