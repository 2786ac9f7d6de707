/* SPDX-License-Identifier: MIT */

/* Attacks by what is sent along. Where the kernel has SO_PASSRIGHTS, none of it comes into open mode;
 * where it has not, the daemon closes the connection, and it does no more harm. */

#include "scenarios.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "kernel.h"
#include "people.h"
#include "scenario.h"
#include "silent.h"

/* Nothing of alice's may disturb bob. */
#define POLICY "allow user alice tcp,udp 80-599\nallow user bob tcp 600-601\n"

enum {
        PROMPT = 3000,        /* milliseconds; a worker that hangs is killed after five seconds */
        STUCK_WITHIN = 20000, /* the same: kill, and a second later count */
        ATTACKERS = 16,
        LINGERING = 40,
};

/* ---- what must hold ---- */

static struct { unsigned binder, manager, worker; } before;

static uint64_t slowest; /* of bob's, in milliseconds */

static void others_are_served(void) {
        uint64_t begin = milliseconds(), took;
        int fd = people_socket(BOB, AF_INET, SOCK_STREAM);

        (void)close(ask_granted(BOB, IPPROTO_TCP, "127.0.0.1", 600));
        expect_number(ask_own(BOB, fd, IPPROTO_TCP, "127.0.0.1", 601), LOWPORT_GRANTED);
        (void)close(fd);
        took = milliseconds() - begin;
        if (took > slowest)
                slowest = took;
        if (took > PROMPT)
                fail("bob had to wait for %llu ms", (unsigned long long)took);
}

static void are_stuck(unsigned many) {
        uint64_t until = milliseconds() + STUCK_WITHIN;
        unsigned now;

        while ((now = daemon_status().workers_stuck) != many) {
                if (milliseconds() > until)
                        fail("%u workers are stuck, not %u", now, many);
                scenario_pause();
        }
}

/* On a busy machine it takes a while until all that attacks is ready. */
static void fort_starts(const char *workers) {
        const char *const options[] = { "--workers", workers, "--request-timeout", "10", NULL };

        daemon_start(POLICY, options);
        others_are_served();
        await(daemon_is_idle());
        await((before.worker = daemon_workers_descriptors()) != 0);
        before.binder = daemon_descriptors(daemon_binder());
        before.manager = daemon_descriptors(daemon_manager());
}

/* All is as before the attack. */
static void fort_holds(void) {
        others_are_served();
        are_stuck(0);
        await(daemon_is_idle());
        await(daemon_workers_descriptors() == before.worker);
        await(daemon_descriptors(daemon_binder()) == before.binder);
        expect_number(daemon_descriptors(daemon_manager()), before.manager);
        daemon_stop();
}

static void workers_sleep(bool asleep) {
        pid_t workers[DAEMON_PROCESSES];
        unsigned n = daemon_workers(workers);

        for (unsigned i = 0; i < n; i++)
                (void)kill(workers[i], asleep ? SIGSTOP : SIGCONT);
}

/* ---- descriptors that are only dropped ---- */

static int connect_alice(void) {
        int connection = people_connect(ALICE, DAEMON_SOCKET);

        if (connection < 0)
                fail("%s: %s", DAEMON_SOCKET, strerror(errno));
        return connection;
}

/* Sends descriptors where none belongs. */
static void are_refused(const int *fds, size_t n) {
        const struct wire_request request = ask_for(WIRE_OPEN, IPPROTO_TCP, "127.0.0.1", 80);
        int connection = connect_alice();
        struct answer answer = ask_with(connection, &request, fds, n);

        expect(answer.closed);
        expect_number(answer.send_error, kernel.passrights ? EPERM : 0);
        if (kernel.passrights) { /* the connection goes on */
                answer = ask_on(connection, &request);
                expect(!answer.closed);
                expect_number(answer.reply.reason, LOWPORT_GRANTED);
                (void)close(answer.fd);
        }
        (void)close(connection);
        (void)close(ask_granted(ALICE, IPPROTO_TCP, "127.0.0.1", 80));
}

static void note_how(void) {
        note(kernel.passrights ? "EPERM at the sender" : "the connection is closed");
}

void attack_with_descriptors(void) {
        int pipes[2], many[ASK_DESCRIPTORS], sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int path = open("/usr/bin", O_PATH | O_CLOEXEC);
        int self = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

        fort_starts("256");
        if (path < 0 || self < 0 || pipe2(pipes, O_CLOEXEC) < 0)
                fail("what to send: %s", strerror(errno));
        are_refused(&pipes[0], 1);
        are_refused(&path, 1);
        are_refused(&self, 1);
        are_refused(&sock, 1);
        for (unsigned i = 0; i < ASK_DESCRIPTORS; i++)
                many[i] = pipes[i % 2];
        are_refused(many, ASK_DESCRIPTORS);
        expect_number(daemon_status().malformed, 0);
        note_how();

        /* Nobody else has the pipe. */
        (void)close(pipes[0]);
        await(write(pipes[1], "x", 1) < 0 && errno == EPIPE);
        fort_holds();
}

/* ---- a TCP connection whose peer takes nothing, and whose last close waits for a minute ---- */

static int lingering(int *ret_peer) {
        static const struct linger linger = { .l_onoff = 1, .l_linger = 60 };
        static const char bytes[65536];
        struct sockaddr_in name = { .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(name);
        int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (bind(server, (struct sockaddr *)&name, size) < 0 || listen(server, 1) < 0 ||
            getsockname(server, (struct sockaddr *)&name, &size) < 0 ||
            connect(fd, (struct sockaddr *)&name, size) < 0 ||
            (*ret_peer = accept4(server, NULL, NULL, SOCK_CLOEXEC)) < 0)
                fail("a connection: %s", strerror(errno));
        while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
                ;
        if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
                fail("SO_LINGER: %s", strerror(errno));
        (void)close(server);
        return fd;
}

/* Many at once, so that every worker has one. */
void attack_with_lingering(void) {
        static const struct linger off = { .l_onoff = 1 };
        const struct wire_request request = ask_for(WIRE_OPEN, IPPROTO_TCP, "127.0.0.1", 80);
        int connections[LINGERING], peers[LINGERING], fds[LINGERING];

        fort_starts("16");
        workers_sleep(true);
        for (unsigned i = 0; i < LINGERING; i++) {
                connections[i] = connect_alice();
                fds[i] = lingering(&peers[i]);
                expect_number(ask_send(connections[i], &request, sizeof(request), &fds[i], 1),
                              kernel.passrights ? -EPERM : 0);
                if (kernel.passrights) /* it is ours to close */
                        (void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &off, sizeof(off));
                (void)close(fds[i]);
        }
        workers_sleep(false);
        for (unsigned i = 0; i < 10; i++)
                others_are_served();
        for (unsigned i = 0; i < LINGERING && !kernel.passrights; i++)
                expect(ask_receive(connections[i]).closed);
        note_how();
        for (unsigned i = 0; i < LINGERING; i++) {
                (void)close(connections[i]);
                (void)close(peers[i]);
        }
        fort_holds();
}

/* ---- files and sockets of a silent file system ---- */

static unsigned
start_attackers(const char *const names[], const char *path, struct silent attackers[ATTACKERS]) {
        unsigned n = 0;

        for (; names[n] != NULL; n++) {
                attackers[n] = silent_start(ALICE, path, names[n], (uint16_t)(100 + n), 1);
                silent_says(&attackers[n], SILENT_CONNECTED);
        }
        return n;
}

/* All at once: what they send is not touched before it is all on its way. */
static void attack_at_once(const struct silent *attackers, unsigned n, char wanted) {
        workers_sleep(true);
        for (unsigned i = 0; i < n; i++) {
                silent_go(&attackers[i]);
                silent_says(&attackers[i], wanted);
        }
        workers_sleep(false);
}

/* Hears out an attacker whose connection has been closed; false: it has not, yet. */
static bool is_closed(const struct silent *attacker) {
        while (ask_is_answered(attacker->line, 0))
                if (silent_hear(attacker) == SILENT_CLOSED)
                        return true;
        return false;
}

static unsigned count_freed(const struct silent *attackers, unsigned n, bool is_freed[ATTACKERS]) {
        unsigned freed = 0;

        for (unsigned i = 0; i < n; i++) {
                is_freed[i] = is_freed[i] || is_closed(&attackers[i]);
                freed += is_freed[i];
        }
        return freed;
}

/* Open mode: nobody is held up. */
static void attack_open_mode(const char *const names[]) {
        struct silent attackers[ATTACKERS];
        unsigned n;

        fort_starts("256");
        n = start_attackers(names, DAEMON_SOCKET, attackers);
        attack_at_once(attackers, n, kernel.passrights ? SILENT_NOT_SENT : SILENT_SENT);
        for (unsigned i = 0; i < n && !kernel.passrights; i++)
                await(is_closed(&attackers[i]));
        for (unsigned i = 0; i < 3; i++)
                others_are_served();
        expect_number(daemon_status().workers_stuck, 0);
        note_how();
        for (unsigned i = 0; i < n; i++)
                silent_end(&attackers[i]);
        fort_holds();
}

void attack_with_held_lock(void) {
        static const char *const names[] = { "flush", "sending", "option", NULL };

        attack_open_mode(names);
}

void attack_with_silence(void) {
        static const char *const names[] = { "dirty", "check", "unread", "extra", "nested", NULL };

        attack_open_mode(names);
}

/* Own mode: each of them may cost a worker, and no more. Dirty files hold nobody up before Linux 6.16,
 * which copies their pages; a close that asks the file system, and a lock, do everywhere. */
void attack_with_silence_own(void) {
        static const char *const names[] = { "flush",  "sending", "option", "dirty", "check",
                                             "unread", "extra",   "nested", NULL };
        enum { EVERYWHERE = 3 };
        struct silent attackers[ATTACKERS];
        unsigned n, stuck;
        bool is_freed[ATTACKERS] = { false };

        fort_starts("256");
        n = start_attackers(names, DAEMON_OWN_SOCKET, attackers);
        attack_at_once(attackers, n, SILENT_SENT);
        for (unsigned i = 0; i < 3; i++)
                others_are_served();
        if (kernel.passrights)
                are_stuck(n);
        do
                scenario_pause();
        while (count_freed(attackers, n, is_freed) + (stuck = daemon_status().workers_stuck) < n);
        expect(stuck >= EVERYWHERE && stuck <= n);
        expect_number(daemon_status().stuck_uid, ALICE);
        expect_number(daemon_status().stuck_of_uid, stuck);
        daemon_says("is stuck in the kernel", "");
        note("%u of %u hold a worker up", stuck, n);
        (void)close(ask_granted(ALICE, IPPROTO_TCP, "127.0.0.1", 80)); /* she has others */
        while (n-- > 0) {
                silent_end(&attackers[n]);
                await(daemon_status().workers_stuck <= n);
                others_are_served();
        }
        fort_holds();
}

/* ---- the end of a daemon with a worker that cannot end ---- */

void attack_until_the_end(void) {
        struct silent attacker;

        fort_starts("256");
        attacker = silent_start(ALICE, DAEMON_OWN_SOCKET, "flush", 100, 1);
        silent_says(&attacker, SILENT_CONNECTED);
        attack_at_once(&attacker, 1, SILENT_SENT);
        are_stuck(1);
        (void)kill(daemon_manager(), SIGTERM);
        expect_number(daemon_ended(), 0);
        daemon_start(POLICY, NULL); /* another takes over */
        others_are_served();
        silent_end(&attacker);
        daemon_stop();
}
