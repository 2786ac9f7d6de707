/* SPDX-License-Identifier: MIT */

/* Binds in the ways that programs do. Each line that it prints is a result: "bound", or the name of
 * an errno, after what it is the result of. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name_of(int r) {
        return r == 0 ? "bound" : strerrorname_np(errno);
}

static int
make(const char *address, int port, struct sockaddr_storage *ret, socklen_t *ret_length) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret;
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

        memset(ret, 0, sizeof(*ret));
        if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
                in6->sin6_family = AF_INET6;
                in6->sin6_port = htons((uint16_t)port);
                *ret_length = sizeof(*in6);
                return AF_INET6;
        }
        memset(ret, 0, sizeof(*ret));
        inet_pton(AF_INET, address, &in->sin_addr);
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        *ret_length = sizeof(*in);
        return AF_INET;
}

static int bind_fd(int fd, const char *address, int port) {
        struct sockaddr_storage storage;
        socklen_t length;

        make(address, port, &storage, &length);
        return bind(fd, (struct sockaddr *)&storage, length);
}

static int bind_new(const char *address, int port, int type) {
        struct sockaddr_storage storage;
        socklen_t length;
        int fd = socket(make(address, port, &storage, &length), type, 0);

        return bind(fd, (struct sockaddr *)&storage, length);
}

static int simple(char **argv) {
        for (; argv[0] != NULL && argv[1] != NULL; argv += 2)
                puts(name_of(bind_new(argv[0], atoi(argv[1]), SOCK_STREAM)));
        return 0;
}

static void *bind_in_thread(void *port) {
        if (bind_new("127.0.0.1", *(int *)port, SOCK_STREAM) != 0)
                *(int *)port = -errno;
        return NULL;
}

static int threads(int first, int n) {
        pthread_t ids[64];
        int ports[64], bound = 0;

        for (int i = 0; i < n; i++) {
                ports[i] = first + i;
                pthread_create(&ids[i], NULL, bind_in_thread, &ports[i]);
        }
        for (int i = 0; i < n; i++) {
                pthread_join(ids[i], NULL);
                bound += ports[i] > 0;
        }
        printf("%d\n", bound);
        return 0;
}

/* The number that is a socket in the thread is a file in the rest of the process. */
static void *bind_unshared(void *port) {
        int fd = open("/dev/null", O_RDONLY), sock;

        unshare(CLONE_FILES);
        close(fd);
        sock = socket(AF_INET, SOCK_STREAM, 0);
        if (sock != fd)
                puts("another number");
        puts(name_of(bind_fd(sock, "127.0.0.1", *(int *)port)));
        return NULL;
}

static int unshared(int port) {
        pthread_t id;

        pthread_create(&id, NULL, bind_unshared, &port);
        pthread_join(id, NULL);
        return 0;
}

static volatile sig_atomic_t ticks;

static void tick(int signal) {
        (void)signal;
        ticks++;
}

/* Prints how many were bound, and for each error how many. */
static int timer(int port, int microseconds, int rounds, int flags) {
        struct sigaction action = { .sa_handler = tick, .sa_flags = flags };
        struct itimerval interval = { { 0, microseconds }, { 0, microseconds } };
        int counts[256] = { 0 };

        sigaction(SIGALRM, &action, NULL);
        setitimer(ITIMER_REAL, &interval, NULL);
        for (int i = 0; i < rounds; i++) {
                int fd = socket(AF_INET, SOCK_STREAM, 0);

                counts[bind_fd(fd, "127.0.0.1", port) == 0 ? 0 : errno]++;
                close(fd);
        }
        interval = (struct itimerval){ 0 };
        setitimer(ITIMER_REAL, &interval, NULL);
        printf("bound %d\n", counts[0]);
        for (int i = 1; i < 256; i++)
                if (counts[i] != 0)
                        printf("%s %d\n", strerrorname_np(i), counts[i]);
        printf("ticks %d\n", (int)(ticks > 0));
        return 0;
}

static void show(const char *what, int r) {
        printf("%s %s\n", what, name_of(r));
}

static int errors(int port) {
        struct sockaddr_storage storage;
        struct sockaddr *address = (struct sockaddr *)&storage;
        socklen_t length;
        int fd, pair[2], v6;

        make("127.0.0.1", port, &storage, &length);
        show("bad-fd", bind(999, address, length));
        if (pipe(pair) < 0)
                return 1;
        show("pipe", bind(pair[0], address, length));
        show("o-path", bind(open("/dev/null", O_PATH), address, length));
        fd = socket(AF_INET, SOCK_STREAM, 0);
        show("bad-address", bind(fd, (struct sockaddr *)8, length));
        show("no-length", bind(fd, address, 0));
        show("short", bind(fd, address, 4));
        show("negative", bind(fd, address, (socklen_t)-1));
        show("too-long", bind(fd, address, sizeof(storage) + 1));
        show("not-here", bind_fd(fd, "192.0.2.1", port));
        show("other-family", bind_fd(fd, "::1", port));
        show("storage", bind(fd, address, sizeof(storage)));
        show("second", bind(fd, address, length));
        show("second-port", bind_fd(fd, "127.0.0.1", port + 1));
        show("in-use", bind_new("127.0.0.1", port, SOCK_STREAM));
        show("unix-socket", bind(socket(AF_UNIX, SOCK_STREAM, 0), address, length));
        v6 = socket(AF_INET6, SOCK_STREAM, 0);
        make("::1", port, &storage, &length);
        show("rfc2133", bind(v6, address, 24));
        storage.ss_family = AF_UNSPEC;
        memset((char *)&storage + 4, 0, 4);
        show("unspecified", bind(socket(AF_INET, SOCK_DGRAM, 0), address, length));
        return 0;
}

/* Options are set before, and are still there after; the socket then listens. */
static int options(int port) {
        static const struct {
                const char *name;
                int level, option, value;
        } all[] = {
                { "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1 },
                { "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1 },
                { "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1 },
                { "IPV6_V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 1 },
                { "IPV6_FREEBIND", IPPROTO_IPV6, 78, 1 },
                { "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1 },
                { "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, 3 },
                { "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 1000 },
        };
        enum { N = sizeof(all) / sizeof(all[0]) };
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), before[N], after = 0;
        socklen_t size = sizeof(int);

        for (int i = 0; i < N; i++) {
                if (setsockopt(fd, all[i].level, all[i].option, &all[i].value, size) < 0)
                        printf("%s cannot be set\n", all[i].name);
                getsockopt(fd, all[i].level, all[i].option, &before[i], &size);
        }
        puts(name_of(bind_fd(fd, "::", port)));
        for (int i = 0; i < N; i++) {
                getsockopt(fd, all[i].level, all[i].option, &after, &size);
                if (after != before[i])
                        printf("%s was %d and is %d\n", all[i].name, before[i], after);
        }
        if ((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0)
                puts("O_NONBLOCK is lost");
        show("listen", listen(fd, 5));
        return 0;
}

/* Children until there are none. A wait that finds one it does not know would hang, or tell. */
static int wait_for_all(int port) {
        pid_t child = fork(), pid;
        int status;

        if (child == 0)
                _exit(bind_new("127.0.0.1", port, SOCK_STREAM) == 0 ? 7 : 8);
        while ((pid = waitpid(-1, &status, 0)) > 0)
                printf("%s %d\n", pid == child ? "child" : "stranger", WEXITSTATUS(status));
        puts(strerrorname_np(errno));
        return 0;
}

static int undumpable(int port) {
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        puts(name_of(bind_new("127.0.0.1", port, SOCK_STREAM)));
        puts(name_of(bind_new("127.0.0.1", 8000 + port, SOCK_STREAM)));
        return 0;
}

/* The grandchild binds when its father is gone; standard output ends with it. */
static int orphan(int port) {
        int line[2];
        char byte;

        if (pipe(line) < 0 || fork() != 0 || fork() != 0)
                return 0;
        close(line[1]);
        if (read(line[0], &byte, 1) != 0) /* until all others have gone */
                return 1;
        setsid();
        puts(name_of(bind_new("127.0.0.1", port, SOCK_STREAM)));
        return 0;
}

/* One socket after the other; what is bound is closed again. */
static int many(int port, int rounds) {
        int bound = 0;

        for (int i = 0; i < rounds; i++) {
                int fd = socket(AF_INET, SOCK_STREAM, 0);

                bound += bind_fd(fd, "127.0.0.1", port) == 0;
                close(fd);
        }
        printf("%d\n", bound);
        return 0;
}

/* Binds whenever it is told: "PORT\n" on standard input. */
static int serve(void) {
        char line[16];

        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        puts("ready");
        while (fgets(line, sizeof(line), stdin) != NULL)
                puts(name_of(bind_new("127.0.0.1", atoi(line), SOCK_STREAM)));
        return 0;
}

/* Runs a command for which one system call fails with EPERM, as in a sandbox. */
static int forbid(int call, char **command) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                return 1;
        execvp(command[0], command);
        return 1;
}

/* Forbids itself every TCP port, and binds one. */
static int landlock(int port) {
        struct {
                uint64_t fs, net;
        } rules = { 0, 1 }; /* LANDLOCK_ACCESS_NET_BIND_TCP */
        long fd = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);

        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
                puts("none");
                return 0;
        }
        puts(name_of(bind_new("127.0.0.1", port, SOCK_STREAM)));
        return 0;
}

int main(int argc, char **argv) {
        const char *how = argc > 1 ? argv[1] : "";
        int a = argc > 2 ? atoi(argv[2]) : 0, b = argc > 3 ? atoi(argv[3]) : 0;

        if (strcmp(how, "bind") == 0)
                return simple(argv + 2);
        if (strcmp(how, "threads") == 0)
                return threads(a, b);
        if (strcmp(how, "unshared") == 0)
                return unshared(a);
        if (strcmp(how, "timer") == 0)
                return timer(a, b, atoi(argv[4]), argc > 5 ? SA_RESTART : 0);
        if (strcmp(how, "errors") == 0)
                return errors(a);
        if (strcmp(how, "options") == 0)
                return options(a);
        if (strcmp(how, "wait") == 0)
                return wait_for_all(a);
        if (strcmp(how, "undumpable") == 0)
                return undumpable(a);
        if (strcmp(how, "orphan") == 0)
                return orphan(a);
        if (strcmp(how, "many") == 0)
                return many(a, b);
        if (strcmp(how, "forbid") == 0)
                return forbid(a, argv + 3);
        if (strcmp(how, "landlock") == 0)
                return landlock(a);
        if (strcmp(how, "serve") == 0)
                return serve();
        return 2;
}
