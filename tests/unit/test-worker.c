/* SPDX-License-Identifier: MIT */

/* What a client gets for its request. */

#include "live-binder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdpass.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static const char policy[] = "# the rules of this test\n"
                             "allow anyone tcp 127.0.0.1:1-65535\n"
                             "deny anyone tcp 127.0.0.1:7\n";

/* With one worker at a time what comes after what is known. */
static int connection;

static int start(void **state) {
        const struct orders orders = live_orders();

        if (live_reset(state) < 0 || live_start(&orders, live_rules(policy)).kind != REPORT_READY)
                return -1;
        connection = live_connect();
        return 0;
}

static int stop(void **state) {
        close(connection);
        return live_stop(state);
}

static void expect_refusal(const struct live_answer *answer,
                           uint16_t operation,
                           enum lowport_reason reason,
                           int error,
                           uint32_t detail) {
        const struct wire_reply *reply = &answer->reply;

        assert_int_equal(answer->size, sizeof(*reply));
        assert_int_equal(answer->fd, -1);
        assert_int_equal(reply->version, WIRE_VERSION);
        assert_int_equal(reply->operation, operation);
        assert_int_equal(reply->reason, reason);
        assert_int_equal(reply->error, error);
        assert_int_equal(reply->detail, detail);
        assert_int_equal(reply->flags, 0);
        assert_int_equal(reply->uid, getuid());
}

static void a_granted_socket_listens_where_it_should(void **state) {
        struct wire_request request = live_request(live.port);
        struct live_answer answer = live_ask(connection, &request);
        struct sockaddr_in name = { 0 };
        struct record record;
        struct stat stat;
        socklen_t size = sizeof(name);
        int listens = 0;

        (void)state;
        assert_int_equal(answer.reply.reason, LOWPORT_GRANTED);
        assert_int_equal(answer.reply.error, 0);
        assert_int_equal(answer.reply.flags, WIRE_HAS_DESCRIPTOR);
        assert_int_equal(answer.reply.uid, getuid());
        assert_int_equal(answer.reply.line, 2);
        assert_string_equal(answer.reply.path, "test.conf");
        assert_int_equal(getsockname(answer.fd, (struct sockaddr *)&name, &size), 0);
        assert_int_equal(ntohs(name.sin_port), live.port);
        assert_int_equal(ntohl(name.sin_addr.s_addr), INADDR_LOOPBACK);
        size = sizeof(listens);
        assert_int_equal(getsockopt(answer.fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size), 0);
        assert_int_equal(listens, 1);

        record = live_record();
        assert_int_equal(fstat(answer.fd, &stat), 0);
        assert_int_equal(record.kind, RECORD_REQUEST);
        assert_int_equal(record.operation, WIRE_OPEN);
        assert_int_equal(record.reason, LOWPORT_GRANTED);
        assert_int_equal(record.flags, 0);
        assert_int_equal(record.uid, getuid());
        assert_int_equal(record.pid, getpid());
        assert_int_equal(record.inode, stat.st_ino);
        assert_int_equal(record.port, live.port);
        assert_int_equal(record.line, 2);
        assert_int_equal(record.generation, 1);
        assert_string_equal(record.path, "test.conf");
        close(answer.fd);
}

static void what_is_denied_says_by_which_rule(void **state) {
        struct wire_request request = live_request(7);
        struct live_answer answer = live_ask(connection, &request);
        struct record record = live_record();

        (void)state;
        expect_refusal(&answer, WIRE_OPEN, LOWPORT_RULE_DENIES, EACCES, 0);
        assert_int_equal(answer.reply.line, 3);
        assert_string_equal(answer.reply.path, "test.conf");
        assert_int_equal(record.reason, LOWPORT_RULE_DENIES);
        assert_int_equal(record.error, EACCES);
        assert_int_equal(record.inode, 0);

        request.protocol = IPPROTO_UDP;
        answer = live_ask(connection, &request);
        expect_refusal(&answer, WIRE_OPEN, LOWPORT_NO_RULE, EACCES, ADDRESS_V4);
        assert_int_equal(answer.reply.line, 0);
        assert_string_equal(answer.reply.path, "");
        assert_int_equal(live_record().reason, LOWPORT_NO_RULE);
}

/* Each gets its own answer, and the connection goes on. */
static void what_is_not_understood_is_told_so(void **state) {
        struct {
                struct wire_request request;
                char more[16];
        } block = { .request = live_request(live.port) };
        struct wire_request *request = &block.request;
        struct live_answer answer;

        (void)state;
        live_say(connection, request, sizeof(*request) - 1);
        answer = live_hear(connection);
        expect_refusal(&answer, WIRE_OPEN, LOWPORT_TOO_SHORT, EBADMSG, sizeof(*request) - 1);
        live_say(connection, request, 1);
        answer = live_hear(connection);
        expect_refusal(&answer, 0, LOWPORT_TOO_SHORT, EBADMSG, 1);
        live_say(connection, &block, sizeof(block));
        answer = live_hear(connection);
        expect_refusal(&answer, WIRE_OPEN, LOWPORT_TOO_LONG, EBADMSG, sizeof(block));

        request->version = 7;
        answer = live_ask(connection, request);
        expect_refusal(
                &answer, WIRE_OPEN, LOWPORT_UNSUPPORTED_VERSION, EPROTONOSUPPORT, 0x00010001);
        request->version = WIRE_VERSION;
        request->operation = 9;
        answer = live_ask(connection, request);
        expect_refusal(&answer, 9, LOWPORT_UNKNOWN_OPERATION, EOPNOTSUPP, 9);
        request->operation = WIRE_OWN; /* known, but not on this socket */
        answer = live_ask(connection, request);
        expect_refusal(&answer, WIRE_OWN, LOWPORT_UNKNOWN_OPERATION, EOPNOTSUPP, WIRE_OWN);
        request->operation = WIRE_OPEN;
        request->family = 5;
        answer = live_ask(connection, request);
        expect_refusal(&answer,
                       WIRE_OPEN,
                       LOWPORT_MALFORMED,
                       EBADMSG,
                       offsetof(struct wire_request, family));

        request->family = ADDRESS_V4;
        answer = live_ask(connection, request);
        assert_int_equal(answer.reply.reason, LOWPORT_GRANTED);
        close(answer.fd);
        for (int i = 0; i < 7; i++)
                assert_int_not_equal(live_record().reason, LOWPORT_GRANTED);
        assert_int_equal(live_record().reason, LOWPORT_GRANTED);
}

static void a_check_binds_nothing(void **state) {
        struct wire_request request = live_request(live.port);
        struct live_answer opened = live_ask(connection, &request), answer;

        (void)state;
        request.operation = WIRE_CHECK;
        answer = live_ask(connection, &request); /* in use, and granted all the same */
        assert_int_equal(answer.reply.reason, LOWPORT_GRANTED);
        assert_int_equal(answer.reply.operation, WIRE_CHECK);
        assert_int_equal(answer.reply.flags, 0);
        assert_int_equal(answer.reply.line, 2);
        assert_int_equal(answer.fd, -1);
        close(opened.fd);
}

static void a_port_in_use_is_not_a_denial(void **state) {
        struct wire_request request = live_request(live.port);
        struct live_answer first = live_ask(connection, &request);
        struct live_answer second = live_ask(connection, &request);

        (void)state;
        expect_refusal(&second, WIRE_OPEN, LOWPORT_ADDRESS_IN_USE, EADDRINUSE, 0);
        assert_int_equal(second.reply.line, 2);
        close(first.fd);
        second = live_ask(connection, &request);
        assert_int_equal(second.reply.reason, LOWPORT_GRANTED);
        close(second.fd);
}

static void status_counts_what_was_asked(void **state) {
        struct wire_request request = live_request(7),
                            ask = { .version = WIRE_VERSION, .operation = WIRE_STATUS };
        struct wire_status status;

        (void)state;
        (void)live_ask(connection, &request);
        live_say(connection, &request, 4);
        (void)live_hear(connection);
        request.operation = WIRE_CHECK;
        request.port = live.port;
        (void)live_ask(connection, &request);
        status = live_ask(connection, &ask).reply.status;
        assert_int_equal(status.denied, 1);
        assert_int_equal(status.malformed, 1);
        assert_int_equal(status.granted, 1);
        assert_int_equal(status.failed, 0);
        assert_int_equal(status.generation, 1);
        assert_int_equal(status.rules, 2);
        assert_int_equal(status.workers_max, 4);
        assert_string_equal(status.version, LOWPORT_VERSION);
}

/* ---- when there is nothing left ---- */

static void no_descriptor_left_for_the_socket(void **state) {
        struct wire_request request = live_request(live.port);
        struct live_answer answer;

        (void)state;
        live.faults->socket.error = EMFILE;
        answer = live_ask(connection, &request);
        expect_refusal(&answer, WIRE_OPEN, LOWPORT_EXHAUSTED, EMFILE, 0);
        answer = live_ask(connection, &request);
        assert_int_equal(answer.reply.reason, LOWPORT_GRANTED);
        close(answer.fd);
}

/* None to accept with: whoever comes, and has asked already, is told to come again. A worker that
 * waits in accept(2) does not meet the fault, so the first client may be served. */
static void no_descriptor_left_for_a_client(void **state) {
        struct wire_request request = live_request(live.port);
        struct live_answer answer = { .size = 0 };
        struct record record;

        (void)state;
        request.operation = WIRE_CHECK;
        assert_int_equal(live_ask(connection, &request).reply.reason, LOWPORT_GRANTED);
        live.faults->accept.error = ENFILE;
        for (int i = 0; i < 10 && answer.reply.reason != LOWPORT_EXHAUSTED; i++) {
                int other = live_connect();

                (void)fdpass_send(other, &request, sizeof(request), -1);
                answer = live_hear(other);
                close(other);
        }
        assert_int_equal(answer.reply.reason, LOWPORT_EXHAUSTED);
        assert_int_equal(answer.reply.error, ENFILE);
        assert_int_equal(answer.reply.operation, 0); /* it was not read */
        assert_int_equal(live.board->turned_away, 1);
        do
                record = live_record();
        while (record.kind != RECORD_CLOSED);
        assert_int_equal(record.reason, LOWPORT_EXHAUSTED);
        assert_int_equal(record.error, ENFILE);
        assert_int_equal(record.uid, getuid());
        assert_int_equal(live_ask(connection, &request).reply.reason, LOWPORT_GRANTED);
}

/* The client's own end may refuse descriptors. It is told so, and nobody holds the port. */
static void a_client_that_takes_no_descriptor(void **state) {
        static const int off = 0, on = 1;
        struct wire_request request = live_request(live.port);
        struct live_answer answer;
        struct record record;

        (void)state;
        if (setsockopt(connection, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0)
                fixture_skip("the kernel has no SO_PASSRIGHTS (Linux 6.16)");
        answer = live_ask(connection, &request);
        expect_refusal(&answer, WIRE_OPEN, LOWPORT_BIND_FAILED, EPERM, 0);
        do
                record = live_record();
        while ((record.flags & RECORD_NOT_TAKEN) == 0);
        assert_int_equal(record.error, EPERM);

        assert_int_equal(setsockopt(connection, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on)), 0);
        answer = live_ask(connection, &request);
        assert_int_equal(answer.reply.reason, LOWPORT_GRANTED);
        close(answer.fd);
}

static void a_descriptor_that_is_sent_never_arrives(void **state) {
        struct wire_request request = live_request(live.port);
        struct live_answer answer;
        int r = fdpass_send(connection, &request, sizeof(request), connection);

        (void)state;
        if (r == 0) { /* before Linux 6.16: it is dropped, and the worker retires */
                answer = live_hear(connection);
                close(connection);
                connection = live_connect();
        } else {
                assert_int_equal(r, -EPERM);
                answer = live_ask(connection, &request);
        }
        assert_int_equal(answer.reply.reason, LOWPORT_GRANTED);
        close(answer.fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_granted_socket_listens_where_it_should),
                TEST(what_is_denied_says_by_which_rule),
                TEST(what_is_not_understood_is_told_so),
                TEST(a_check_binds_nothing),
                TEST(a_port_in_use_is_not_a_denial),
                TEST(status_counts_what_was_asked),
                TEST(no_descriptor_left_for_the_socket),
                TEST(no_descriptor_left_for_a_client),
                TEST(a_client_that_takes_no_descriptor),
                TEST(a_descriptor_that_is_sent_never_arrives),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
