/* SPDX-License-Identifier: MIT */

/* Own mode, with a kernel that keeps descriptors away and with an older one that does not. */

#include "live-binder.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdpass.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* For the binder that is started next: its kernel is older than 6.16. */
static bool old_kernel;

int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size);

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
        if (old_kernel && level == SOL_SOCKET && option == SO_PASSRIGHTS) {
                errno = ENOPROTOOPT;
                return -1;
        }
        return __real_setsockopt(fd, level, option, value, size);
}

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
        if (old_kernel && level == SOL_SOCKET && option == SO_PASSRIGHTS) {
                errno = ENOPROTOOPT;
                return -1;
        }
        return __real_getsockopt(fd, level, option, value, size);
}

static int reset(void **state) {
        int r = live_reset(state);

        live.serves_own = true;
        old_kernel = false;
        return r;
}

static void start(void) {
        struct orders orders = live_orders();
        int rules = live_rules("allow anyone tcp 127.0.0.1:1-65535\n");

        orders.own_workers = 8;
        orders.own_per_user = 2;
        assert_int_equal(live_start(&orders, rules).kind, REPORT_READY);
}

static int new_socket(void) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        return fd;
}

static uint16_t port_of(int fd) {
        struct sockaddr_in name = { 0 };
        socklen_t size = sizeof(name);

        assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
        return ntohs(name.sin_port);
}

static uint16_t check(int connection, uint16_t port) {
        struct wire_request request = live_request(port);

        request.operation = WIRE_CHECK;
        return live_ask(connection, &request).reply.reason;
}

static int say_own(int connection, int fd, uint16_t port) {
        struct wire_request request = live_request(port);

        request.operation = WIRE_OWN;
        return fdpass_send(connection, &request, sizeof(request), fd);
}

static void check_then_own_binds(void **state) {
        int connection, fd = new_socket();

        (void)state;
        start();
        connection = live_connect_own();
        assert_int_equal(say_own(connection, fd, live.port), -EPERM);
        assert_int_equal(check(connection, live.port), LOWPORT_GRANTED);
        assert_int_equal(say_own(connection, fd, live.port), 0);
        assert_int_equal(live_hear(connection).reply.reason, LOWPORT_GRANTED);
        assert_int_equal(port_of(fd), live.port);
        live_expect_end(connection);
        close(connection);
        close(fd);
}

/* CHECK is not needed there; it is not in the way either. */
static void on_an_old_kernel_own_alone_binds(void **state) {
        (void)state;
        old_kernel = true;
        start();
        for (int i = 0; i < 2; i++) {
                int connection = live_connect_own(), fd = new_socket();

                if (i == 1)
                        assert_int_equal(check(connection, live.port), LOWPORT_GRANTED);
                assert_int_equal(say_own(connection, fd, live.port), 0);
                assert_int_equal(live_hear(connection).reply.reason, LOWPORT_GRANTED);
                assert_int_equal(port_of(fd), live.port);
                close(connection);
                close(fd);
        }
}

/* What is denied is answered, though what came with it is still to be got rid of. */
static void on_an_old_kernel_a_denied_descriptor_is_not_taken(void **state) {
        int connection, fd = new_socket();
        struct wire_request request = live_request(80);

        (void)state;
        old_kernel = true;
        start();
        connection = live_connect_own();
        request.operation = WIRE_OWN;
        request.address[3] = 2; /* no rule allows 127.0.0.2 */
        assert_int_equal(fdpass_send(connection, &request, sizeof(request), fd), 0);
        assert_int_equal(live_hear(connection).reply.reason, LOWPORT_NO_RULE);
        live_expect_end(connection);
        assert_int_equal(port_of(fd), 0);
        close(connection);
        close(fd);
}

static void expect_the_third_is_over_the_limit(void) {
        int connections[3], fd = new_socket();

        for (int i = 0; i < 3; i++) {
                connections[i] = live_connect_own();
                assert_int_equal(check(connections[i], live.port),
                                 i < 2 ? LOWPORT_GRANTED : LOWPORT_OVER_LIMIT);
        }
        /* What a user has open already is served, */
        assert_int_equal(say_own(connections[0], fd, live.port), 0);
        assert_int_equal(live_hear(connections[0]).reply.reason, LOWPORT_GRANTED);
        close(connections[0]);
        /* and then there is room for another. */
        fixture_wait_for(board_count_exposed(live.board, getuid()) < 2 || old_kernel);
        fixture_wait_for(check(connections[2], live.port) == LOWPORT_GRANTED);
        close(connections[1]);
        close(connections[2]);
        close(fd);
}

static void a_user_can_hold_up_so_many_workers_and_no_more(void **state) {
        (void)state;
        start();
        expect_the_third_is_over_the_limit();
}

static void so_it_is_on_an_old_kernel(void **state) {
        int connections[3], fd = new_socket();

        (void)state;
        old_kernel = true;
        start();
        /* There a descriptor can come with the connection; what counts is the connection. */
        for (int i = 0; i < 3; i++)
                connections[i] = live_connect_own();
        fixture_wait_for(board_count_exposed(live.board, getuid()) == 3);
        assert_int_equal(check(connections[2], live.port), LOWPORT_OVER_LIMIT);
        close(connections[1]);
        fixture_wait_for(board_count_exposed(live.board, getuid()) == 2);
        assert_int_equal(say_own(connections[0], fd, live.port), 0);
        assert_int_equal(live_hear(connections[0]).reply.reason, LOWPORT_GRANTED);
        close(connections[0]);
        close(connections[2]);
        close(fd);
}

static void open_mode_goes_on_when_own_mode_is_full(void **state) {
        int connections[8], open;

        (void)state;
        start();
        for (int i = 0; i < 8; i++)
                connections[i] = live_connect_own();
        fixture_wait_for(board_count(live.board, MODE_OWN, WORKER_FIRST) == 8);
        open = live_connect();
        assert_int_equal(check(open, live.port), LOWPORT_GRANTED);
        close(open);
        for (int i = 0; i < 8; i++)
                close(connections[i]);
}

/* CHECK says no more than that OWN may come. */
static void a_denied_check_is_recorded_and_a_granted_one_is_not(void **state) {
        struct wire_request request = live_request(80);
        int connection;
        struct record record;

        (void)state;
        start();
        connection = live_connect_own();
        assert_int_equal(check(connection, live.port), LOWPORT_GRANTED);
        request.operation = WIRE_CHECK;
        request.address[3] = 2;
        assert_int_equal(live_ask(connection, &request).reply.reason, LOWPORT_NO_RULE);
        record = live_record();
        assert_int_equal(record.operation, WIRE_OWN);
        assert_int_equal(record.reason, LOWPORT_NO_RULE);
        close(connection);
}

/* bind(2) is the grant, so the record comes before, and the failure after. */
static void a_bind_that_fails_has_two_records(void **state) {
        int connection, holder = new_socket(), fd = new_socket();
        struct sockaddr_in name = {
                .sin_family = AF_INET,
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        struct record record;

        (void)state;
        start();
        name.sin_port = htons(live.port);
        assert_int_equal(bind(holder, (struct sockaddr *)&name, sizeof(name)), 0);
        connection = live_connect_own();
        assert_int_equal(check(connection, live.port), LOWPORT_GRANTED);
        assert_int_equal(say_own(connection, fd, live.port), 0);
        assert_int_equal(live_hear(connection).reply.reason, LOWPORT_ADDRESS_IN_USE);
        record = live_record();
        assert_int_equal(record.operation, WIRE_OWN);
        assert_int_equal(record.reason, LOWPORT_GRANTED);
        assert_int_not_equal(record.inode, 0);
        record = live_record();
        assert_int_equal(record.reason, LOWPORT_ADDRESS_IN_USE);
        assert_int_equal(record.error, EADDRINUSE);
        assert_int_equal(record.flags & RECORD_NOT_BOUND, RECORD_NOT_BOUND);
        close(connection);
        close(holder);
        close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, live_stop)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(check_then_own_binds),
                TEST(on_an_old_kernel_own_alone_binds),
                TEST(on_an_old_kernel_a_denied_descriptor_is_not_taken),
                TEST(a_user_can_hold_up_so_many_workers_and_no_more),
                TEST(so_it_is_on_an_old_kernel),
                TEST(open_mode_goes_on_when_own_mode_is_full),
                TEST(a_denied_check_is_recorded_and_a_granted_one_is_not),
                TEST(a_bind_that_fails_has_two_records),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
