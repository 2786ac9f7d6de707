/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "binder/peer.h"
#include "common/fdpass.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static char directory[64];
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listener = -1;
static uint32_t gids[PEER_GIDS_MAX];
static uint64_t netns;

/* The option whose look-up fails, with this errno. */
static int failing, failure;

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size);

int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size) {
        if (failing != 0 && option == failing) {
                errno = failure;
                return -1;
        }
        return __real_getsockopt(fd, level, option, value, size);
}

static int make_listener(void **state) {
        (void)state;
        failing = 0;
        fixture_make_directory(directory);
        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
        listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        return bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
               listen(listener, 8) < 0 || peer_own_netns(&netns) < 0;
}

static int close_listener(void **state) {
        (void)state;
        close(listener);
        fixture_remove_directory(directory);
        return 0;
}

static int connect_here(void) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : fd;
}

/* A process that connects, after `prepare`, and lives until its standard input ends. */
struct client {
        pid_t pid;
        int life, connection;
};

static struct client start_client(int (*prepare)(void)) {
        struct client client;
        int life[2];

        assert_int_equal(pipe(life), 0);
        client.pid = fork();
        if (client.pid == 0) {
                char byte;

                close(life[1]);
                if ((prepare != NULL && prepare() < 0) || connect_here() < 0)
                        _exit(1);
                _exit(read(life[0], &byte, 1) != 0);
        }
        close(life[0]);
        client.life = life[1];
        fixture_wait_readable(listener);
        client.connection = accept(listener, NULL, NULL);
        assert_true(client.connection >= 0);
        return client;
}

static void end_client(struct client *client) {
        int status;

        if (client->life >= 0) {
                close(client->life);
                assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
                assert_int_equal(status, 0);
        }
        client->life = -1;
}

static void close_client(struct client *client) {
        end_client(client);
        close(client->connection);
}

static bool has_gid(const struct peer *peer, uint32_t gid) {
        for (size_t i = 0; i < peer->n_gids; i++)
                if (peer->gids[i] == gid)
                        return true;
        return false;
}

static void a_process_like_this_one(void **state) {
        struct peer peer = { .gids = gids };
        struct client client = start_client(NULL);

        (void)state;
        assert_int_equal(peer_identify(client.connection, netns, &peer), 0);
        assert_int_equal(peer.pid, client.pid);
        assert_int_equal(peer.uid, geteuid());
        assert_int_equal(peer.gid, getegid());
        assert_true(has_gid(&peer, getegid()));
        assert_true(peer.same_netns);
        close_client(&client);
}

static int become_somebody(void) {
        static const gid_t groups[] = { 2001, 2002, 2003 };

        return setgroups(3, groups) < 0 || setresgid(3001, 3001, 3001) < 0 ||
                               setresuid(1001, 1001, 1001) < 0
                       ? -1
                       : 0;
}

static void another_user_with_its_groups(void **state) {
        struct peer peer = { .gids = gids };
        struct client client;

        (void)state;
        if (geteuid() != 0)
                fixture_skip("only root can become another user");
        assert_int_equal(chmod(directory, 0755), 0);
        assert_int_equal(chmod(address.sun_path, 0666), 0);
        client = start_client(become_somebody);
        assert_int_equal(peer_identify(client.connection, netns, &peer), 0);
        assert_int_equal(peer.uid, 1001);
        assert_int_equal(peer.gid, 3001);
        assert_int_equal(peer.n_gids, 4); /* the supplementary ones, and the effective one */
        assert_true(has_gid(&peer, 2001) && has_gid(&peer, 2002) && has_gid(&peer, 2003));
        assert_true(has_gid(&peer, 3001));
        close_client(&client);
}

static int leave_netns(void) {
        return geteuid() == 0 ? unshare(CLONE_NEWNET) : unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

static bool can_leave_netns(void) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(leave_netns() < 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status == 0;
}

static void a_process_in_another_network_namespace(void **state) {
        struct peer peer = { .gids = gids };
        struct client client;

        (void)state;
        if (!can_leave_netns())
                fixture_skip("no network namespace can be made here");
        client = start_client(leave_netns);
        assert_int_equal(peer_identify(client.connection, netns, &peer), 0);
        assert_int_equal(peer.pid, client.pid);
        assert_false(peer.same_netns);
        close_client(&client);
}

/* ---- descriptors ---- */

static void a_listener_that_refuses_descriptors(void **state) {
        struct peer peer = { .gids = gids };
        int early = connect_here(), late, accepted, r;

        (void)state;
        r = peer_refuse_descriptors(listener);
        if (r == -ENOPROTOOPT)
                fixture_skip("the kernel has no SO_PASSRIGHTS (Linux 6.16)");
        assert_int_equal(r, 0);
        late = connect_here();

        /* On a connection that was there before they can arrive still, and it shows. */
        accepted = accept(listener, NULL, NULL);
        assert_int_equal(peer_identify(accepted, netns, &peer), 0);
        assert_false(peer.closed_to_descriptors);
        assert_int_equal(fdpass_send(early, "x", 1, early), 0);
        close(accepted);

        accepted = accept(listener, NULL, NULL);
        assert_int_equal(peer_identify(accepted, netns, &peer), 0);
        assert_true(peer.closed_to_descriptors);
        assert_int_equal(fdpass_send(late, "x", 1, late), -EPERM);
        close(accepted);
        close(early);
        close(late);
}

static void a_failing_look_is_the_cautious_answer(void **state) {
        struct peer peer = { .gids = gids };
        int client, connection;

        (void)state;
        (void)peer_refuse_descriptors(listener);
        client = connect_here();
        connection = accept(listener, NULL, NULL);
        failure = ENOBUFS;
        failing = SO_PEERCRED;
        assert_int_equal(peer_identify(connection, netns, &peer), -ENOBUFS);
        failing = SO_PEERGROUPS;
        assert_int_equal(peer_identify(connection, netns, &peer), -ENOBUFS);
        failing = SO_NETNS_COOKIE;
        assert_int_equal(peer_identify(connection, netns, &peer), 0);
        assert_false(peer.same_netns);
        assert_int_equal(peer_own_netns(&netns), -ENOBUFS);
        failure = ENOPROTOOPT; /* before Linux 6.16 */
        failing = SO_PASSRIGHTS;
        assert_int_equal(peer_identify(connection, netns, &peer), 0);
        assert_false(peer.closed_to_descriptors);
        assert_true(peer.same_netns);
        close(client);
        close(connection);
}

/* ---- the process itself ---- */

static void a_living_process_can_be_opened(void **state) {
        struct client client = start_client(NULL);
        char path[64], info[256] = "", wanted[32];
        int process = -1, r = peer_open_process(client.connection, &process);
        FILE *file;

        (void)state;
        if (r == -ENOPROTOOPT) {
                close_client(&client);
                fixture_skip("the kernel has no SO_PEERPIDFD (Linux 6.5)");
        }
        assert_int_equal(r, 0);
        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", process);
        (void)snprintf(wanted, sizeof(wanted), "Pid:\t%d\n", client.pid);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_true(fread(info, 1, sizeof(info) - 1, file) > 0);
        assert_non_null(strstr(info, wanted));
        (void)fclose(file);
        close(process);
        close_client(&client);
}

static void a_process_that_has_ended_cannot(void **state) {
        struct client client = start_client(NULL);
        size_t before;
        int process = -1, r;

        (void)state;
        end_client(&client);
        before = fixture_count_fds();
        r = peer_open_process(client.connection, &process);
        if (r == -ENOPROTOOPT) {
                close_client(&client);
                fixture_skip("the kernel has no SO_PEERPIDFD (Linux 6.5)");
        }
        assert_int_equal(r, -ESRCH);
        assert_int_equal(process, -1);
        assert_int_equal(fixture_count_fds(), before);

        failing = SO_PEERPIDFD;
        failure = EINVAL; /* what kernels before 6.9 say */
        assert_int_equal(peer_open_process(client.connection, &process), -ESRCH);
        failure = EMFILE;
        assert_int_equal(peer_open_process(client.connection, &process), -EMFILE);
        close_client(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_listener, close_listener)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_process_like_this_one),
                TEST(another_user_with_its_groups),
                TEST(a_process_in_another_network_namespace),
                TEST(a_listener_that_refuses_descriptors),
                TEST(a_failing_look_is_the_cautious_answer),
                TEST(a_living_process_can_be_opened),
                TEST(a_process_that_has_ended_cannot),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
