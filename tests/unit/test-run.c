/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/direct.h"
#include "cli/environment.h"
#include "cli/sockets.h"
#include "fake-daemon.h"

/* What was said on standard error. */
static char said[4096];

void cli_complain(const char *format, ...) {
        size_t at = strlen(said);
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(said + at, sizeof(said) - at - 1, format, arguments);
        va_end(arguments);
        strcat(said, "\n");
}

/* The kernel, as far as binding is concerned. */
static struct {
        bool active;
        int socket_errors[4], bind_errors[4], listen_error, option_error;
        size_t sockets, binds;
        bool real_sockets; /* else they are Unix ones, as every host has */
        int domain, type, protocol, backlog, reuse, reuseport, v6only, freebind;
        struct sockaddr_storage address;
} kernel;

int __real_socket(int domain, int type, int protocol);
int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __real_listen(int fd, int backlog);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_listen(int fd, int backlog);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

static int fail_with(int error) {
        errno = error;
        return error == 0 ? 0 : -1;
}

int __wrap_socket(int domain, int type, int protocol) {
        if (!kernel.active || domain == AF_UNIX)
                return __real_socket(domain, type, protocol);
        kernel.domain = domain;
        kernel.type = type;
        kernel.protocol = protocol;
        kernel.reuse = kernel.reuseport = kernel.v6only = kernel.freebind = -1;
        kernel.backlog = -1;
        if (fail_with(kernel.socket_errors[kernel.sockets++ % 4]) < 0)
                return -1;
        if (kernel.real_sockets)
                return __real_socket(domain, type, protocol);
        return __real_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size) {
        if (!kernel.active)
                return __real_bind(fd, address, size);
        memcpy(&kernel.address, address, size);
        return fail_with(kernel.bind_errors[kernel.binds++ % 4]);
}

int __wrap_listen(int fd, int backlog) {
        if (!kernel.active)
                return __real_listen(fd, backlog);
        kernel.backlog = backlog;
        return fail_with(kernel.listen_error);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
        int number;

        if (!kernel.active || size != sizeof(number))
                return __real_setsockopt(fd, level, name, value, size);
        memcpy(&number, value, sizeof(number));
        if (level == SOL_SOCKET && name == SO_REUSEADDR)
                kernel.reuse = number;
        if (level == SOL_SOCKET && name == SO_REUSEPORT)
                kernel.reuseport = number;
        if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
                kernel.v6only = number;
        if ((level == IPPROTO_IPV6 && name == IPV6_FREEBIND) ||
            (level == IPPROTO_IP && name == IP_FREEBIND))
                kernel.freebind = number;
        return fail_with(kernel.option_error);
}

static size_t descriptors_before;

static int set_up(void **state) {
        static struct fake fake;

        said[0] = '\0';
        memset(&kernel, 0, sizeof(kernel));
        descriptors_before = count_descriptors();
        fake_init(&fake);
        kernel.active = true;
        *state = &fake;
        return 0;
}

static int tear_down(void **state) {
        kernel.active = false;
        fake_done(*state);
        return count_descriptors() == descriptors_before ? 0 : -1;
}

static struct spec parse(const char *text) {
        struct spec spec;
        char error[256];

        if (spec_parse(text, &spec, error, sizeof(error)) < 0)
                fail_msg("%s: %s", text, error);
        return spec;
}

static void binding_directly_does_as_the_daemon_does(void **state) {
        static const struct {
                const char *spec;
                int domain, type, protocol, reuse, v6only, freebind, backlog;
        } cases[] = {
                { "tcp:80", AF_INET6, SOCK_STREAM, IPPROTO_TCP, 1, 0, -1, INT_MAX },
                { "tcp6:80", AF_INET6, SOCK_STREAM, IPPROTO_TCP, 1, 1, -1, INT_MAX },
                { "tcp4:80", AF_INET, SOCK_STREAM, IPPROTO_TCP, 1, -1, -1, INT_MAX },
                { "tcp:80,backlog=7", AF_INET6, SOCK_STREAM, IPPROTO_TCP, 1, 0, -1, 7 },
                { "tcp:80,nolisten", AF_INET6, SOCK_STREAM, IPPROTO_TCP, -1, 0, -1, -1 },
                { "udp:53", AF_INET6, SOCK_DGRAM, IPPROTO_UDP, -1, 0, -1, -1 },
                { "udp4:53,freebind", AF_INET, SOCK_DGRAM, IPPROTO_UDP, -1, -1, 1, -1 },
                { "sctp:9,freebind", AF_INET6, SOCK_STREAM, IPPROTO_SCTP, 1, 0, 1, INT_MAX },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct spec spec = parse(cases[i].spec);
                int fd = -1;

                assert_int_equal(direct_open(&spec, NULL, &fd), 0);
                assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
                close(fd);
                assert_int_equal(kernel.domain, cases[i].domain);
                assert_int_equal(kernel.type, cases[i].type | SOCK_CLOEXEC);
                assert_int_equal(kernel.protocol, cases[i].protocol);
                assert_int_equal(kernel.reuse, cases[i].reuse);
                assert_int_equal(kernel.v6only, cases[i].v6only);
                assert_int_equal(kernel.freebind, cases[i].freebind);
                assert_int_equal(kernel.backlog, cases[i].backlog);
        }
}

static void what_only_a_socket_of_ones_own_can_have_is_set(void **state) {
        static const struct {
                const char *spec;
                int protocol, reuse, reuseport;
        } cases[] = {
                { "tcp:80", IPPROTO_TCP, 1, -1 },
                { "tcp:80,reuseport", IPPROTO_TCP, 1, 1 },
                { "tcp:80,reuseport,nolisten", IPPROTO_TCP, -1, 1 },
                { "tcp:80,mptcp", IPPROTO_MPTCP, 1, -1 },
                { "udp:53,reuseport", IPPROTO_UDP, -1, 1 },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct spec spec = parse(cases[i].spec);
                int fd = -1;

                assert_int_equal(direct_open(&spec, NULL, &fd), 0);
                close(fd);
                assert_int_equal(kernel.protocol, cases[i].protocol);
                assert_int_equal(kernel.reuse, cases[i].reuse);
                assert_int_equal(kernel.reuseport, cases[i].reuseport);
        }
}

static void without_ipv6_it_binds_ipv4(void **state) {
        struct spec any = parse("tcp:80"), v6 = parse("tcp6:80"), written = parse("[::]:80");
        int fd = -1;

        (void)state;
        kernel.socket_errors[0] = EAFNOSUPPORT;
        assert_int_equal(direct_open(&any, NULL, &fd), 0);
        assert_int_equal(kernel.address.ss_family, AF_INET);
        close(fd);
        memset(&kernel, 0, sizeof(kernel));
        kernel.active = true;
        kernel.bind_errors[0] = EADDRNOTAVAIL;
        assert_int_equal(direct_open(&any, NULL, &fd), 0);
        assert_int_equal(kernel.address.ss_family, AF_INET);
        close(fd);
        kernel.sockets = 0;
        kernel.socket_errors[0] = EAFNOSUPPORT;
        assert_int_equal(direct_open(&v6, NULL, &fd), -EAFNOSUPPORT);
        kernel.sockets = 0;
        assert_int_equal(direct_open(&written, NULL, &fd), -EAFNOSUPPORT);
}

static void every_failure_is_told_and_leaves_nothing(void **state) {
        struct spec spec = parse("tcp:80");
        int fd = -1;

        (void)state;
        kernel.bind_errors[0] = EADDRINUSE;
        assert_int_equal(direct_open(&spec, NULL, &fd), -EADDRINUSE);
        kernel.listen_error = ENOBUFS;
        assert_int_equal(direct_open(&spec, NULL, &fd), -ENOBUFS);
        kernel.option_error = ENOPROTOOPT;
        assert_int_equal(direct_open(&spec, NULL, &fd), -ENOPROTOOPT);
        assert_int_equal(fd, -1);
}

static void templates_expand(void **state) {
        static const struct handed handed[] = {
                { 3, "web" }, { 4, "dns" }, { 5, "web" }, { 6, "fd" }
        };
        static const struct {
                const char *text, *value;
        } cases[] = {
                { "", "" },
                { "x}y", "x}y" },
                { "{fd}", "3" },
                { "{fd;}", "3;4;5;6;" },
                { "{fd }", "3 4 5 6 " },
                { "{fd,fd}", "3,4,5,6" },
                { "{fd:web}", "3" },
                { "fd://{fd:dns}/", "fd://4/" },
                { "{fd:fd}", "6" },
                { "{{fd}", "{fd}" },
                { "{{{fd}}", "{3}" },
        };
        static const char *const wrong[] = {
                "{",      "{fd",    "{}",       "{f}",      "{FD}",  "{fd:}", "{fd:x}", "{fdx}",
                "{fd,,}", "{fd,f}", "{fd,fd,}", "{fd,fdx}", "{fd1}", "{pid}", "{fd{}",  "a{b",
        };
        char *value, error[256];

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(
                        template_expand(cases[i].text, handed, 4, &value, error, sizeof(error)), 0);
                assert_string_equal(value, cases[i].value);
                free(value);
        }
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                error[0] = '\0';
                if (template_expand(wrong[i], handed, 4, &value, error, sizeof(error)) != -EINVAL)
                        fail_msg("'%s' expanded to '%s'", wrong[i], value);
                assert_int_not_equal(error[0], '\0');
        }
        assert_int_equal(template_expand("{fd,fd}", handed, 1, &value, error, sizeof(error)), 0);
        assert_string_equal(value, "3");
        free(value);
}

static void set_listen(long pid, const char *fds, const char *names) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%ld", pid);
        setenv("LISTEN_PID", text, 1);
        setenv("LISTEN_FDS", fds, 1);
        setenv("LISTEN_PIDFDID", "7", 1);
        if (names != NULL)
                setenv("LISTEN_FDNAMES", names, 1);
        else
                unsetenv("LISTEN_FDNAMES");
}

static void only_what_was_passed_to_this_process_is_taken_over(void **state) {
        struct inherited inherited;

        (void)state;
        /* Descriptors 3 and 4 are open: the fake daemon's at least. */
        assert_true(fcntl(3, F_GETFD) >= 0 && fcntl(4, F_GETFD) >= 0);
        set_listen(getpid(), "2", "a:b");
        assert_int_equal(environment_inherited(&inherited), 0);
        assert_int_equal(inherited.n, 2);
        assert_string_equal(inherited.names[0], "a");
        assert_string_equal(inherited.names[1], "b");
        inherited_done(&inherited);

        set_listen(getpid(), "2", NULL);
        assert_int_equal(environment_inherited(&inherited), 0);
        assert_string_equal(inherited.names[0], "unknown");
        assert_string_equal(inherited.names[1], "unknown");
        inherited_done(&inherited);

        set_listen(getpid(), "2", ":b:c");
        assert_int_equal(environment_inherited(&inherited), 0);
        assert_string_equal(inherited.names[0], "unknown");
        assert_string_equal(inherited.names[1], "b");
        inherited_done(&inherited);

        set_listen(getpid() + 1, "2", "a:b");
        assert_int_equal(environment_inherited(&inherited), 0);
        assert_int_equal(inherited.n, 0);
        static const char *const none[] = { "0", "-1", "", "x", "1x", "99999999999999999999" };

        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
                set_listen(getpid(), none[i], NULL);
                assert_int_equal(environment_inherited(&inherited), 0);
                assert_int_equal(inherited.n, 0);
        }
        set_listen(getpid(), "9223372036854775807", NULL);
        assert_int_equal(environment_inherited(&inherited), -EBADF);
}

static void the_program_is_told(void **state) {
        static const struct handed handed[] = { { 3, "web" }, { 4, "dns" } };
        char pid[24];

        (void)state;
        set_listen(1, "9", "x");
        assert_int_equal(environment_announce(handed, 2, getpid()), 0);
        (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
        assert_string_equal(getenv("LISTEN_FDS"), "2");
        assert_string_equal(getenv("LISTEN_FDNAMES"), "web:dns");
        assert_string_equal(getenv("LISTEN_PID"), pid);
        assert_null(getenv("LISTEN_PIDFDID"));

        set_listen(1, "9", "x");
        assert_int_equal(environment_announce(handed, 1, 0), 0);
        assert_string_equal(getenv("LISTEN_FDS"), "1");
        assert_null(getenv("LISTEN_PID"));

        set_listen(1, "9", "x");
        assert_int_equal(environment_announce(handed, 0, 0), 0);
        assert_null(getenv("LISTEN_FDS"));
        assert_null(getenv("LISTEN_FDNAMES"));
        assert_null(getenv("LISTEN_PID"));
        assert_null(getenv("LISTEN_PIDFDID"));
}

/* Sockets may sit on each other's places. */
static void sockets_come_to_their_places(void **state) {
        enum { LOW = 40, N = 3 };
        struct handed handed[N];
        int fds[N], pipes[N][2];

        (void)state;
        for (int i = 0; i < N; i++) {
                handed[i] = (struct handed){ LOW + i, "x" };
                assert_int_equal(pipe2(pipes[i], O_CLOEXEC), 0);
                fds[i] = LOW + (i + 1) % N; /* each one further than it should be */
                assert_int_equal(dup3(pipes[i][1], fds[i], O_CLOEXEC), fds[i]);
                close(pipes[i][1]);
        }
        assert_int_equal(environment_place(fds, handed, N), 0);
        for (int i = 0; i < N; i++) {
                char c = 0;

                assert_int_equal(fds[i], -1);
                assert_int_equal(fcntl(LOW + i, F_GETFD), 0); /* stays open at exec */
                assert_int_equal(write(LOW + i, &"abc"[i], 1), 1);
                assert_int_equal(read(pipes[i][0], &c, 1), 1);
                assert_int_equal(c, "abc"[i]);
                close(LOW + i);
                close(pipes[i][0]);
        }
}

static int obtain(struct fake *fake, const char *first, const char *second, unsigned wait) {
        struct sockets_options options = { .path = fake->path, .wait = wait };
        struct spec specs[2] = { parse(first) };
        int fds[2] = { -1, -1 };
        size_t n = 1;

        if (second != NULL)
                specs[n++] = parse(second);
        int status = sockets_obtain(specs, n, &options, fds);

        for (size_t i = 0; i < n; i++) {
                assert_int_equal(fds[i] >= 0, status == CLI_OK);
                if (fds[i] >= 0)
                        close(fds[i]);
        }
        return status;
}

static void all_or_nothing(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, EACCES);
        fake->acts[1].reply.uid = geteuid() + 1;
        fake_start(fake);
        assert_int_equal(obtain(fake, "tcp:80", "tcp:443", 0), CLI_DENIED);
        fake_stop(fake);
        assert_int_equal(fake->n_connections, 1);
        assert_non_null(strstr(said, "tcp [::]:443: denied: no rule allows uid "));
        assert_non_null(strstr(said, "this container"));
        assert_non_null(strstr(said, "policy.conf: allow user "));
}

static void a_denial_names_the_user_and_the_line_to_add(void **state) {
        struct fake *fake = *state;
        char expected[128];

        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, EACCES);
        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, EACCES);
        fake_add(fake, ACT_REPLY, LOWPORT_RULE_DENIES, EACCES);
        fake_add(fake, ACT_REPLY, LOWPORT_OTHER_NETNS, EACCES);
        for (size_t i = 0; i < fake->n_acts; i++)
                fake->acts[i].reply.uid = geteuid();
        fake->acts[1].reply.detail = 4;
        fake->acts[2].reply.line = 3;
        strcpy(fake->acts[2].reply.path, "/p");
        fake_start(fake);

        (void)snprintf(expected, sizeof(expected), "uid %u", geteuid());
        assert_int_equal(obtain(fake, "tcp:443", NULL, 0), CLI_DENIED);
        assert_non_null(strstr(said, expected));
        assert_null(strstr(said, "container"));
        assert_int_equal(obtain(fake, "tcp:80", NULL, 0), CLI_DENIED);
        assert_non_null(strstr(said, "no rule allows 0.0.0.0:80, which this takes too, to "));
        assert_int_equal(obtain(fake, "tcp:80", NULL, 0), CLI_DENIED);
        assert_non_null(strstr(said, "by /p:3\n"));
        assert_int_equal(obtain(fake, "tcp:80", NULL, 0), CLI_DENIED);
        assert_non_null(strstr(said, " netns any\n"));
        fake_stop(fake);
}

static void a_port_in_use_is_waited_for(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_REPLY, LOWPORT_ADDRESS_IN_USE, EADDRINUSE);
        fake_add(fake, ACT_REPLY, LOWPORT_ADDRESS_IN_USE, EADDRINUSE);
        fake_add(fake, ACT_GRANT, 0, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_ADDRESS_IN_USE, EADDRINUSE);
        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, EACCES);
        fake_start(fake);
        assert_int_equal(obtain(fake, "tcp:80", NULL, 10000), CLI_OK);
        assert_string_equal(said, "");
        assert_int_equal(obtain(fake, "tcp:80", NULL, 0), CLI_IN_USE);
        /* But not for a denial. */
        assert_int_equal(obtain(fake, "tcp:80", NULL, 10000), CLI_DENIED);
        fake_stop(fake);
        assert_int_equal(fake->n_requests, 5);
}

static void without_a_daemon_it_binds_itself(void **state) {
        struct fake *fake = *state;
        struct sockets_options insist = { .path = "/nonexistent", .no_direct = true };
        struct spec spec = parse("tcp:80");
        int fd = -1;

        (void)unlink(fake->path);
        assert_int_equal(obtain(fake, "tcp:80", NULL, 0), CLI_OK);
        kernel.bind_errors[kernel.binds % 4] = EACCES;
        assert_int_equal(obtain(fake, "tcp:80", NULL, 0), CLI_UNREACHABLE);
        assert_non_null(strstr(said, "no daemon can be reached at "));
        assert_non_null(strstr(said, "tcp [::]:80: binding it directly: Permission denied"));
        kernel.bind_errors[kernel.binds % 4] = EADDRINUSE;
        assert_int_equal(obtain(fake, "tcp:80", NULL, 0), CLI_IN_USE);

        size_t binds = kernel.binds;

        assert_int_equal(sockets_obtain(&spec, 1, &insist, &fd), CLI_UNREACHABLE);
        assert_int_equal(kernel.binds, binds);
}

/* In own mode. The daemon has bound nothing, but then nobody looks. */
static int obtain_own(struct fake *fake, const char *text, unsigned wait) {
        struct sockets_options options = { .path = fake->path, .own = true, .wait = wait };
        struct spec spec = parse(text);
        int fd = -1, status;

        kernel.real_sockets = true;
        status = sockets_obtain(&spec, 1, &options, &fd);
        assert_int_equal(fd >= 0, status == CLI_OK);
        if (fd >= 0)
                close(fd);
        return status;
}

static void a_socket_of_ones_own_is_bound_by_the_daemon(void **state) {
        struct fake *fake = *state;

        for (size_t i = 0; i < 4; i++)
                fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_start(fake);
        assert_int_equal(obtain_own(fake, "tcp4:127.0.0.1:80,backlog=3,reuseport", 0), CLI_OK);
        assert_int_equal(kernel.backlog, 3);
        assert_int_equal(kernel.reuseport, 1);
        assert_int_equal(kernel.reuse, 1);
        assert_int_equal(obtain_own(fake, "udp4:53", 0), CLI_OK);
        assert_int_equal(kernel.backlog, -1);
        assert_int_equal(kernel.reuse, -1);
        fake_stop(fake);
        assert_int_equal(kernel.binds, 0);
        assert_string_equal(said, "");
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(fake->requests[i].operation, i % 2 == 0 ? WIRE_CHECK : WIRE_OWN);
                assert_int_equal(fake->passed[i], i % 2);
                assert_int_equal(fake->requests[i].port, i < 2 ? 80 : 53);
        }
}

static void in_own_mode_a_refusal_is_one_as_well(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_REPLY, LOWPORT_NO_RULE, EACCES);
        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_ADDRESS_IN_USE, EADDRINUSE);
        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_ADDRESS_IN_USE, EADDRINUSE);
        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_start(fake);
        assert_int_equal(obtain_own(fake, "tcp4:80", 10000), CLI_DENIED);
        assert_non_null(strstr(said, "tcp 0.0.0.0:80: denied: no rule allows "));
        assert_non_null(strstr(said, "policy.conf: allow user "));
        assert_int_equal(obtain_own(fake, "tcp4:80", 0), CLI_IN_USE);
        assert_non_null(strstr(said, "wait for the port with --wait"));
        assert_int_equal(obtain_own(fake, "tcp4:80", 10000), CLI_OK);
        fake_stop(fake);
        assert_int_equal(fake->n_requests, 7);
        assert_int_equal(kernel.binds, 0);
}

/* Before the daemon is asked, or after. */
static void a_socket_that_cannot_be_made_or_listened_on_is_no_refusal(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_start(fake);
        kernel.socket_errors[0] = ENOPROTOOPT;
        assert_int_equal(obtain_own(fake, "tcp4:80,mptcp", 0), CLI_FAILED);
        assert_non_null(strstr(said, "tcp 0.0.0.0:80: a socket of our own: Protocol not avail"));
        assert_non_null(strstr(said, "leave out ,mptcp"));
        kernel.listen_error = EADDRINUSE;
        assert_int_equal(obtain_own(fake, "tcp4:80", 0), CLI_IN_USE);
        assert_non_null(strstr(said, "a socket of our own: Address already in use"));
        assert_null(strstr(said, "granted"));
        fake_stop(fake);
        assert_int_equal(kernel.binds, 0);
}

static void in_own_mode_without_ipv6_it_is_ipv4(void **state) {
        struct fake *fake = *state;

        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_add(fake, ACT_REPLY, LOWPORT_GRANTED, 0);
        fake_start(fake);
        kernel.socket_errors[0] = EAFNOSUPPORT;
        assert_int_equal(obtain_own(fake, "tcp:80", 0), CLI_OK);
        fake_stop(fake);
        assert_int_equal(fake->requests[1].family, ADDRESS_V4);
}

static void in_own_mode_without_a_daemon_it_binds_itself(void **state) {
        struct fake *fake = *state;
        struct sockets_options insist = { .path = fake->path, .own = true, .no_direct = true };
        struct spec spec = parse("tcp4:80");
        int fd = -1;

        (void)unlink(fake->path);
        assert_int_equal(obtain_own(fake, "tcp4:80,reuseport", 0), CLI_OK);
        assert_int_equal(kernel.binds, 1);
        assert_int_equal(kernel.reuseport, 1);
        assert_int_equal(obtain_own(fake, "tcp4:65535", 0), CLI_OK);
        kernel.bind_errors[2] = EACCES;
        assert_int_equal(obtain_own(fake, "tcp4:80", 0), CLI_UNREACHABLE);
        assert_non_null(strstr(said, "no daemon can be reached at "));
        assert_non_null(strstr(said, "binding it directly: Permission denied"));
        assert_non_null(strstr(said, "$LOWPORT_OWN_SOCKET"));
        assert_null(strstr(said, "$LOWPORT_SOCKET"));
        assert_int_equal(sockets_obtain(&spec, 1, &insist, &fd), CLI_UNREACHABLE);
        assert_int_equal(kernel.binds, 3);
}

static void what_needs_no_privilege_is_not_asked_for(void **state) {
        struct fake *fake = *state;
        struct sockets_options insist = { .path = fake->path, .no_direct = true };
        struct spec spec = parse("tcp:65535");
        int fd = -1;

        fake_add(fake, ACT_REPLY, LOWPORT_NOT_LOW_PORT, EINVAL);
        fake_start(fake);
        assert_true(direct_is_free(65535));
        assert_int_equal(obtain(fake, "tcp:65535", NULL, 0), CLI_OK);
        assert_int_equal(sockets_obtain(&spec, 1, &insist, &fd), CLI_FAILED);
        fake_stop(fake);
        assert_int_equal(fake->n_requests, 1);
        assert_non_null(strstr(said, "leave out --no-direct"));
}

static int run(const char *arguments) {
        static char name[] = "run";
        char copy[256], *argv[16] = { name }, *rest = copy;
        int argc = 1;

        (void)snprintf(copy, sizeof(copy), "%s", arguments);
        while ((argv[argc] = strsep(&rest, " ")) != NULL)
                argc++;
        said[0] = '\0';
        optind = 0; /* getopt(3) begins anew */
        return cli_run(argc, argv);
}

static void misuse_is_told_before_anything_is_done(void **state) {
        static const struct {
                const char *arguments, *text;
        } cases[] = {
                { "-- true", "no socket to obtain" },
                { "-l tcp:80", "no command to run" },
                { "-l tcp:80 -l tcp:81 --stdin true", "--stdin takes exactly one socket" },
                { "-l tcp:80 --nonsense true", "unknown option '--nonsense'" },
                { "-l tcp:80 -x true", "unknown option '-x'" },
                { "-l", "no argument after '-l'" },
                { "-l tcp:0 true", "-l tcp:0: '0' is not a port" },
                { "-l tcp:80 --env X true", "expected VAR=TEMPLATE" },
                { "-l tcp:80 --env =x true", "expected VAR=TEMPLATE" },
                { "-l tcp:80 --env X={x} true", "--env X={x}: '{x}': expected {fd}" },
                { "-l tcp:80,reuseport true", "expected --own" },
                { "-l tcp:80 -l tcp:81,mptcp true", "expected --own" },
                { "-l tcp:80 --own-socket /x true", "--own-socket is of no use without --own" },
                { "-l tcp:80 --own --socket /x true", "--socket is not for --own" },
                { "-l udp:80,mptcp --own true", "'mptcp' is for TCP only" },
                { "-l tcp:80 --wait x true", "seconds after --wait, found 'x'" },
                { "-l tcp:80 --wait -1 true", "seconds after --wait, found '-1'" },
                { "-l tcp:80 --wait 86401 true", "seconds after --wait" },
                { "-l tcp:80 --wait 1s true", "seconds after --wait" },
        };

        (void)state;
        unsetenv("LISTEN_PID");
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                assert_int_equal(run(cases[i].arguments), CLI_USAGE);
                if (strstr(said, cases[i].text) == NULL)
                        fail_msg("%s: '%s' lacks '%s'", cases[i].arguments, said, cases[i].text);
        }
        assert_int_equal(kernel.sockets, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(binding_directly_does_as_the_daemon_does),
                TEST(what_only_a_socket_of_ones_own_can_have_is_set),
                TEST(without_ipv6_it_binds_ipv4),
                TEST(every_failure_is_told_and_leaves_nothing),
                TEST(templates_expand),
                TEST(only_what_was_passed_to_this_process_is_taken_over),
                TEST(the_program_is_told),
                TEST(sockets_come_to_their_places),
                TEST(all_or_nothing),
                TEST(a_denial_names_the_user_and_the_line_to_add),
                TEST(a_port_in_use_is_waited_for),
                TEST(without_a_daemon_it_binds_itself),
                TEST(a_socket_of_ones_own_is_bound_by_the_daemon),
                TEST(in_own_mode_a_refusal_is_one_as_well),
                TEST(a_socket_that_cannot_be_made_or_listened_on_is_no_refusal),
                TEST(in_own_mode_without_ipv6_it_is_ipv4),
                TEST(in_own_mode_without_a_daemon_it_binds_itself),
                TEST(what_needs_no_privilege_is_not_asked_for),
                TEST(misuse_is_told_before_anything_is_done),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
