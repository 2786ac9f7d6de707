/* SPDX-License-Identifier: MIT */
#include "live-binder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binder/capability.h"
#include "binder/parent.h"
#include "common/fdpass.h"
#include "policy/compile.h"

struct live live;

/* ---- what the binder calls ---- */

void capability_raise(void) {
}

void capability_lower(void) {
}

struct board *__real_board_new(const struct orders *orders);
struct board *__wrap_board_new(const struct orders *orders);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
pid_t __real_fork(void);
pid_t __wrap_fork(void);
int __real_confinement_enter_worker(int landlock);
int __wrap_confinement_enter_worker(int landlock);

/* The board is made before the binder is forked, so that the test shares it. */
struct board *__wrap_board_new(const struct orders *orders) {
        live.board->orders = *orders;
        return live.board;
}

static bool is_to_fail(struct live_fault *fault) {
        errno = fault->always ? fault->error : atomic_exchange(&fault->error, 0);
        return errno != 0;
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
        return is_to_fail(&live.faults->accept) ? -1 : __real_accept4(fd, address, size, flags);
}

int __wrap_socket(int domain, int type, int protocol) {
        bool fails = domain == AF_INET && is_to_fail(&live.faults->socket);

        return fails ? -1 : __real_socket(domain, type, protocol);
}

pid_t __wrap_fork(void) {
        return is_to_fail(&live.faults->fork) ? -1 : __real_fork();
}

int __wrap_confinement_enter_worker(int landlock) {
        atomic_fetch_add(&live.faults->births, 1);
        return is_to_fail(&live.faults->birth) ? -errno : __real_confinement_enter_worker(landlock);
}

/* ---- its life ---- */

struct orders live_orders(void) {
        return (struct orders){
                .version = ORDERS_VERSION,
                .generation = 1,
                .workers = 4,
                .workers_per_user = 64,
                .own_workers = 4,
                .own_per_user = 2,
                .spare = 2,
                .request_timeout = 4 * FIXTURE_PATIENCE,
                .idle_timeout = 4 * FIXTURE_PATIENCE,
                .unread_per_user = 16,
        };
}

int live_rules(const char *text) {
        const struct compile_facts facts = {
                .overflow_uid = RULESET_NONE,
                .overflow_gid = RULESET_NONE,
                .port_max = UINT16_MAX,
        };
        struct policy *policy = fixture_policy(text);
        int fd = -1;

        assert_int_equal(compile_policy(policy, &facts, &fd), 0);
        policy_free(policy);
        return fd;
}

static void *share(size_t size) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        assert_ptr_not_equal(memory, MAP_FAILED);
        return memory;
}

/* Below the ports that the kernel hands out, and another one for each process. */
static uint16_t find_port(void) {
        for (unsigned i = 0; i < 100; i++) {
                uint16_t port = (uint16_t)(10000 + ((unsigned)getpid() + i) * 10 % 20000);
                struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
                int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

                r = bind(fd, (struct sockaddr *)&address, sizeof(address));
                close(fd);
                if (r == 0)
                        return port;
        }
        fail_msg("no free port");
        return 0;
}

static int make_listener(const char *name, char ret_path[80]) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = __real_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void)snprintf(ret_path, 80, "%s/%s", live.directory, name);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", ret_path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

int live_reset(void **state) {
        (void)state;
        live = (struct live){ .control = -1, .records = -1 };
        live.faults = share(sizeof(*live.faults));
        live.port = find_port();
        fixture_make_directory(live.directory);
        return 0;
}

void live_launch(const struct orders *orders) {
        int control[2], records[2];
        const int listeners[MODES] = {
                [MODE_OPEN] = make_listener("socket", live.path),
                [MODE_OWN] = live.serves_own ? make_listener("own.socket", live.own_path) : -1,
        };

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
        assert_int_equal(pipe2(records, O_CLOEXEC | O_NONBLOCK), 0);
        live.board = __real_board_new(orders);
        assert_non_null(live.board);
        live.pid = __real_fork();
        if (live.pid == 0) {
                int r;

                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(control[0]);
                close(records[0]);
                r = parent_run(control[1], records[1], -1, listeners);
                _exit(r < 0 ? -r : 0);
        }
        close(listeners[MODE_OPEN]);
        if (live.serves_own)
                close(listeners[MODE_OWN]);
        close(control[1]);
        close(records[1]);
        live.control = control[0];
        live.records = records[0];
}

void live_order(const void *orders, size_t size, int rules) {
        assert_int_equal(fdpass_send(live.control, orders, size, rules), 0);
        if (rules >= 0)
                close(rules);
}

struct report live_report(void) {
        struct report report = { 0 };

        fixture_wait_readable(live.control);
        assert_int_equal(fdpass_receive(live.control, &report, sizeof(report), 0, NULL),
                         sizeof(report));
        return report;
}

struct report live_start(const struct orders *orders, int rules) {
        live_launch(orders);
        live_order(orders, sizeof(*orders), rules);
        return live_report();
}

struct record live_record(void) {
        struct record record = { 0 };

        fixture_wait_readable(live.records);
        assert_int_equal(read(live.records, &record, sizeof(record)), sizeof(record));
        return record;
}

int live_wait_for_end(void) {
        struct record record;
        int status;

        do
                fixture_wait_readable(live.records);
        while (read(live.records, &record, sizeof(record)) > 0);
        assert_int_equal(waitpid(live.pid, &status, 0), live.pid);
        live.pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int live_stop(void **state) {
        int status = 0;

        (void)state;
        if (live.control >= 0)
                close(live.control);
        if (live.pid != 0)
                status = live_wait_for_end();
        if (live.records >= 0)
                close(live.records);
        fixture_remove_directory(live.directory);
        return status;
}

/* ---- the client's side ---- */

static int connect_to(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = __real_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

int live_connect(void) {
        return connect_to(live.path);
}

int live_connect_own(void) {
        return connect_to(live.own_path);
}

struct wire_request live_request(uint16_t port) {
        return (struct wire_request){
                .version = WIRE_VERSION,
                .operation = WIRE_OPEN,
                .protocol = IPPROTO_TCP,
                .family = ADDRESS_V4,
                .port = port,
                .address = { 127, 0, 0, 1 },
        };
}

void live_say(int connection, const void *data, size_t size) {
        assert_int_equal(fdpass_send(connection, data, size, -1), 0);
}

struct live_answer live_hear(int connection) {
        struct live_answer answer = { .fd = -1 };

        fixture_wait_readable(connection);
        answer.size =
                fdpass_receive(connection, &answer.reply, sizeof(answer.reply), 0, &answer.fd);
        assert_true(answer.size == 0 || answer.size == sizeof(answer.reply));
        return answer;
}

struct live_answer live_ask(int connection, const struct wire_request *request) {
        live_say(connection, request, sizeof(*request));
        return live_hear(connection);
}

void live_expect_end(int connection) {
        assert_int_equal(live_hear(connection).size, 0);
}
