/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdpass.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static int ends[2];

static int make_pair(void **state) {
        (void)state;
        return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_pair(void **state) {
        (void)state;
        close(ends[0]);
        close(ends[1]);
        return 0;
}

/* Sends a datagram with two descriptors in one control message. */
static void send_two(int fd) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(2 * sizeof(int))];
        } control = { 0 };
        const int both[] = { fd, fd };
        char data[] = "two";
        struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_LEN(sizeof(both)),
        };

        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(both));
        memcpy(CMSG_DATA(&control.header), both, sizeof(both));
        assert_int_equal(sendmsg(ends[0], &message, 0), sizeof(data));
}

static void one_descriptor_arrives(void **state) {
        struct stat sent, got;
        char buffer[8];
        int pipe_fds[2], fd = -1;

        (void)state;
        assert_int_equal(pipe(pipe_fds), 0);
        assert_int_equal(fdpass_send(ends[0], "data", 4, pipe_fds[0]), 0);
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, &fd), 4);
        assert_memory_equal(buffer, "data", 4);
        assert_int_equal(fstat(pipe_fds[0], &sent), 0);
        assert_int_equal(fstat(fd, &got), 0);
        assert_int_equal(sent.st_ino, got.st_ino);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
}

static void without_a_descriptor_there_is_minus_one(void **state) {
        char buffer[8];
        int fd = 4711;

        (void)state;
        assert_int_equal(fdpass_send(ends[0], "data", 4, -1), 0);
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, &fd), 4);
        assert_int_equal(fd, -1);
}

static void two_descriptors_are_refused_and_closed(void **state) {
        size_t before = fixture_count_fds();
        char buffer[8];
        int fd = 4711;

        (void)state;
        send_two(ends[0]);
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, &fd), -EBADMSG);
        assert_int_equal(fd, 4711); /* written on success only */
        assert_int_equal(fixture_count_fds(), before);

        send_two(ends[0]);
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, NULL), 4);
        assert_int_equal(fixture_count_fds(), before);
}

static void what_is_not_asked_for_is_not_taken(void **state) {
        size_t before = fixture_count_fds();
        char buffer[8];

        (void)state;
        assert_int_equal(fdpass_send(ends[0], "data", 4, ends[0]), 0);
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, NULL), 4);
        assert_int_equal(fixture_count_fds(), before);
}

/* With SO_PASSCRED the kernel puts the sender's ids in front of the descriptor. */
static void other_ancillary_data_is_refused(void **state) {
        static const int on = 1;
        size_t before = fixture_count_fds();
        char buffer[8];
        int fd = 4711;

        (void)state;
        assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
        assert_int_equal(fdpass_send(ends[0], "data", 4, ends[0]), 0);
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, &fd), -EBADMSG);
        assert_int_equal(fixture_count_fds(), before);
}

/* At the limit of open files the kernel drops the descriptor and delivers the data. */
static void a_descriptor_without_room_is_an_error(void **state) {
        struct rlimit limit, none;
        char buffer[8];
        int fd = 4711, free_fd = dup(ends[0]);
        ssize_t n;

        (void)state;
        close(free_fd); /* the lowest free number: nothing from here on may be opened */
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        none = (struct rlimit){ (rlim_t)free_fd, limit.rlim_max };
        assert_int_equal(fdpass_send(ends[0], "data", 4, ends[0]), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        n = fdpass_receive(ends[1], buffer, sizeof(buffer), 0, &fd);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(n, -EBADMSG);
}

static void long_datagram_tells_its_real_size(void **state) {
        char big[100] = "abc", small[4];

        (void)state;
        assert_int_equal(fdpass_send(ends[0], big, sizeof(big), -1), 0);
        assert_int_equal(fdpass_receive(ends[1], small, sizeof(small), 0, NULL), sizeof(big));
        assert_memory_equal(small, big, sizeof(small));
        assert_int_equal(fdpass_receive(ends[1], small, sizeof(small), MSG_DONTWAIT, NULL),
                         -EAGAIN); /* the rest of it does not come later */
}

static void end_of_stream_is_zero(void **state) {
        char buffer[8];
        int fd = 4711;

        (void)state;
        assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, NULL), 0);
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, &fd), 0);
        assert_int_equal(fd, -1);
}

static void sending_never_blocks(void **state) {
        char buffer[256] = "";
        int r = 0;

        (void)state;
        for (int i = 0; i < 100000 && r == 0; i++)
                r = fdpass_send(ends[0], buffer, sizeof(buffer), -1);
        assert_int_equal(r, -EAGAIN);
}

static volatile sig_atomic_t pipe_signals;

static void count_signal(int number) {
        (void)number;
        pipe_signals = pipe_signals + 1;
}

static void a_closed_peer_raises_no_signal(void **state) {
        void (*before)(int) = signal(SIGPIPE, count_signal);
        int stream[2];

        (void)state;
        close(ends[1]);
        ends[1] = -1;
        assert_int_equal(fdpass_send(ends[0], "data", 4, -1), -EPIPE);

        /* Of Unix sockets only a stream has the kernel raise it; be it sent on one. */
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
        close(stream[1]);
        assert_int_equal(fdpass_send(stream[0], "data", 4, -1), -EPIPE);
        assert_int_equal(pipe_signals, 0);
        close(stream[0]);
        (void)signal(SIGPIPE, before);
}

static void an_end_may_refuse_descriptors(void **state) {
        static const int off = 0;

        (void)state;
        if (setsockopt(ends[1], SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0)
                fixture_skip("the kernel has no SO_PASSRIGHTS (Linux 6.16)");
        assert_int_equal(fdpass_send(ends[0], "data", 4, ends[0]), -EPERM);
        assert_int_equal(fdpass_send(ends[0], "data", 4, -1), 0);
}

static void a_look_tells_of_descriptors_and_leaves_them(void **state) {
        char buffer[8];
        int fd = -1;

        (void)state;
        assert_false(fdpass_brings_descriptors(ends[1])); /* nothing is there */
        assert_int_equal(fdpass_send(ends[0], "none", 4, -1), 0);
        send_two(ends[0]);
        assert_int_equal(fdpass_send(ends[0], "one", 3, ends[0]), 0);

        assert_false(fdpass_brings_descriptors(ends[1]));
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, NULL), 4);
        assert_true(fdpass_brings_descriptors(ends[1]));
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, NULL), 4);
        assert_true(fdpass_brings_descriptors(ends[1]));
        assert_int_equal(fdpass_receive(ends[1], buffer, sizeof(buffer), 0, &fd), 3);
        assert_true(fd >= 0);
        close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pair, close_pair)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(one_descriptor_arrives),
                TEST(without_a_descriptor_there_is_minus_one),
                TEST(two_descriptors_are_refused_and_closed),
                TEST(what_is_not_asked_for_is_not_taken),
                TEST(other_ancillary_data_is_refused),
                TEST(a_descriptor_without_room_is_an_error),
                TEST(long_datagram_tells_its_real_size),
                TEST(end_of_stream_is_zero),
                TEST(sending_never_blocks),
                TEST(a_closed_peer_raises_no_signal),
                TEST(an_end_may_refuse_descriptors),
                TEST(a_look_tells_of_descriptors_and_leaves_them),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
