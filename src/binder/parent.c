/* SPDX-License-Identifier: MIT */
#include "binder/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binder/confinement.h"
#include "binder/peer.h"
#include "binder/pool.h"
#include "common/cleanup.h"
#include "common/fdpass.h"

/* Connections that may wait to be accepted. One user can fill the queue, and everybody else stands
 * behind that; further clients sleep in connect(2), where nobody can hold more than one place for each
 * process. */
enum { QUEUE = 64 };

/* Milliseconds. */
enum {
        PATIENCE = 5,      /* of a client when nobody is idle: most are back in microseconds */
        LOOK_AGAIN = 1000, /* whether there is room now to tell what there is to tell */
        STOP_AFTER = 2000, /* requests in hand may end when the binder is to exit */
};

struct parent {
        int control, records, nudge, signals;
        int listeners[MODES];        /* -1: this mode is not served */
        uint64_t waits_since[MODES]; /* a client waits and nobody is idle; 0: none does */
        struct pool pool;
        struct ruleset rules;
        uint32_t protections; /* LOWPORT_PROTECTION_… */
        bool ready;           /* the rules in force have been reported */
        uint64_t lost_reported;
};

/* ---- orders ---- */

/* Maps the rule set that came with the orders. It is sealed, or it could change under the workers. */
static int map_rules(int fd, struct ruleset *ret) {
        const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
        struct stat stat;
        void *memory;
        int r;

        if (fd < 0 || fstat(fd, &stat) < 0)
                return -EBADMSG;
        r = fcntl(fd, F_GET_SEALS); /* -1: not a file that can be sealed */
        if (r < 0 || (r & seals) != seals)
                return -EBADMSG;
        memory = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        r = ruleset_open(memory, (size_t)stat.st_size, ret);
        if (r < 0)
                (void)munmap(memory, (size_t)stat.st_size);
        return r;
}

/* Returns 1 with orders, 0 when lowportd has closed the socket, or a negative errno. */
static int receive_orders(int control, struct orders *ret, struct ruleset *ret_rules) {
        _cleanup_fd_ int fd = -1;
        ssize_t n = fdpass_receive(control, ret, sizeof(*ret), 0, &fd);
        int r;

        if (n <= 0)
                return (int)n;
        if (n != sizeof(*ret) || ret->version != ORDERS_VERSION || ret->workers == 0 ||
            ret->workers > WORKERS_LIMIT || ret->own_workers > WORKERS_LIMIT)
                return -EBADMSG;
        r = map_rules(fd, ret_rules);
        if (r < 0)
                return r;
        return ret_rules->header != NULL ? 1 : -EBADMSG; /* what the analyzer cannot know */
}

static bool send_report(const struct parent *p, uint32_t kind, uint32_t generation, int error) {
        struct report report = {
                .kind = kind,
                .generation = generation,
                .error = error,
                .protections = p->protections,
        };

        return fdpass_send(p->control, &report, sizeof(report), -1) == 0;
}

/* Takes new orders: new workers on the new rules, and the old ones leave. */
static void replace_rules(struct parent *p, uint32_t generation, struct ruleset rules) {
        struct ruleset old = p->rules;

        p->rules = rules;
        p->pool.worker.generation = generation;
        p->pool.board->generation = generation;
        p->pool.board->rules = rules.header->rules;
        (void)close_fd(p->pool.worker.landlock);
        p->pool.worker.landlock = confinement_of_worker(&p->rules, &p->protections);
        p->pool.board->protections = p->protections;
        p->ready = false;
        pool_dismiss(&p->pool);
        if (old.header != NULL)
                (void)munmap((void *)(uintptr_t)old.header, old.header->size);
        pool_fill(&p->pool);
}

/* Returns false when lowportd wants no more. */
static bool handle_control(struct parent *p) {
        struct orders orders;
        struct ruleset rules = { 0 };
        int r = receive_orders(p->control, &orders, &rules);

        if (r > 0)
                replace_rules(p, orders.generation, rules);
        else if (r < 0)
                (void)send_report(p, REPORT_FAILED, 0, -r);
        return r != 0;
}

/* ---- life ---- */

static void report_lost_records(struct parent *p) {
        struct record record = {
                .kind = RECORD_LOST,
                .count = p->pool.board->records_lost - p->lost_reported,
        };

        if (record.count > 0 && write(p->records, &record, sizeof(record)) > 0)
                p->lost_reported += record.count;
}

/* Sees to the workers, and tells lowportd what there is to tell; returns as pool_tend() does. */
static int tend(struct parent *p) {
        int pause;

        atomic_store(&p->pool.board->nudged, 0);
        pause = pool_tend(&p->pool);
        if (!p->ready && pool_is_renewed(&p->pool))
                p->ready = send_report(p, REPORT_READY, p->pool.worker.generation, 0);
        report_lost_records(p);
        if ((!p->ready || p->pool.board->records_lost != p->lost_reported) && pause < 0)
                pause = LOOK_AGAIN;
        return pause;
}

static void reap(struct parent *p) {
        struct signalfd_siginfo info;

        (void)!read(p->signals, &info, sizeof(info));
        pool_reap(&p->pool);
}

/* Lets requests in hand end; what is left then dies with the parent. */
static void stop(struct parent *p) {
        struct pollfd poller = { .fd = p->signals, .events = POLLIN };
        uint64_t until = board_now() + STOP_AFTER;

        while (pool_count(&p->pool) > 0 && board_now() < until) {
                pool_dismiss(&p->pool);
                if (poll(&poller, 1, POOL_ASK_AGAIN) > 0)
                        reap(p);
        }
}

static bool client_waits(const struct parent *p, enum mode mode) {
        struct pollfd poller = { .fd = p->listeners[mode], .events = POLLIN };

        return poll(&poller, 1, 0) > 0;
}

/* Returns the listening socket of a mode while nobody is idle there, else -1: nothing to watch. */
static int crowded_listener(const struct parent *p, enum mode mode) {
        bool watch = p->waits_since[mode] == 0 && pool_is_full(&p->pool, mode);

        return watch ? p->listeners[mode] : -1;
}

/* A client that has waited long enough gets the place of another. */
static void end_waiting(struct parent *p, enum mode mode, bool came) {
        uint64_t now = board_now();

        if (came)
                p->waits_since[mode] = now;
        if (p->waits_since[mode] == 0 || now <= p->waits_since[mode] + PATIENCE)
                return;
        if (pool_is_full(&p->pool, mode) && client_waits(p, mode))
                pool_make_room(&p->pool, mode);
        p->waits_since[mode] = 0;
}

static int parent_loop(struct parent *p) {
        struct pollfd pollers[] = {
                [MODE_OPEN] = { .events = POLLIN },     [MODE_OWN] = { .events = POLLIN },
                { .fd = p->control, .events = POLLIN }, { .fd = p->signals, .events = POLLIN },
                { .fd = p->nudge, .events = POLLIN },
        };

        for (;;) {
                uint64_t count;
                int pause = tend(p);

                for (enum mode mode = MODE_OPEN; mode < MODES; mode++) {
                        pollers[mode].fd = crowded_listener(p, mode);
                        if (p->waits_since[mode] != 0)
                                pause = PATIENCE;
                }
                if (poll(pollers, MODES + 3, pause) < 0 && errno != EINTR)
                        return -errno;
                for (enum mode mode = MODE_OPEN; mode < MODES; mode++)
                        end_waiting(p, mode, pollers[mode].revents != 0);
                if ((pollers[MODES].revents & (POLLIN | POLLHUP)) != 0 && !handle_control(p))
                        break;
                if (pollers[MODES + 1].revents != 0)
                        reap(p);
                if (pollers[MODES + 2].revents != 0)
                        (void)!read(p->nudge, &count, sizeof(count));
        }
        stop(p);
        return 0;
}

/* ---- start ---- */

static void interrupted(int signal) {
        (void)signal; /* to have come is all it is for */
}

/* lowportd alone answers to the terminal and to the service manager. SIGUSR1 interrupts what a
 * worker waits in. */
static int set_up_signals(int *ret_fd) {
        static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGPIPE };
        struct sigaction interrupt = { .sa_handler = interrupted };
        sigset_t child;

        for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
                if (signal(ignored[i], SIG_IGN) == SIG_ERR)
                        return -errno;
        (void)sigemptyset(&child);
        (void)sigaddset(&child, SIGCHLD);
        if (sigaction(SIGUSR1, &interrupt, NULL) < 0 || sigprocmask(SIG_SETMASK, &child, NULL) < 0)
                return -errno;
        *ret_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
        return *ret_fd < 0 ? -errno : 0;
}

/* Descriptors are refused before the socket listens; in own mode a worker lets them come once it has
 * granted a request. On a socket that systemd made it is too late for connections that wait already,
 * and each of them tells. listen(2) here makes the clients see this process's credentials, not those
 * of a root that started it. */
static int set_up_listeners(const int listeners[MODES], uint32_t *ret_protections) {
        for (enum mode mode = MODE_OPEN; mode < MODES; mode++) {
                if (listeners[mode] < 0)
                        continue;
                if (peer_refuse_descriptors(listeners[mode]) == 0)
                        *ret_protections |= LOWPORT_PROTECTION_NO_DESCRIPTORS;
                if (listen(listeners[mode], QUEUE) < 0)
                        return -errno;
        }
        return 0;
}

int parent_run(int control, int records, int registry, const int listeners[MODES]) {
        struct parent p = { .control = control, .records = records };
        struct worker worker = {
                .records = records,
                .registry = registry,
                .rules = &p.rules,
                .landlock = -1,
        };
        struct orders orders;
        struct ruleset rules = { 0 };
        int r = receive_orders(control, &orders, &rules);

        if (r <= 0)
                return r < 0 ? r : -ECONNRESET;
        memcpy(p.listeners, listeners, sizeof(p.listeners));
        memcpy(worker.listeners, listeners, sizeof(worker.listeners));
        r = peer_own_netns(&worker.own_netns);
        if (r == 0)
                r = set_up_signals(&p.signals);
        if (r == 0)
                r = set_up_listeners(listeners, &p.protections);
        if (r < 0)
                return r;

        p.nudge = worker.nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (p.nudge < 0)
                return -errno;
        worker.not_yours[0] = control;
        worker.not_yours[1] = p.signals;
        r = pool_open(&p.pool, &orders, &worker);
        if (r < 0)
                return r;

        /* All is open that will be, and no worker is there yet. */
        p.protections |= confinement_enter();
        replace_rules(&p, orders.generation, rules);
        r = pool_count(&p.pool) > 0 ? parent_loop(&p) : -EAGAIN;
        pool_close(&p.pool);
        return r;
}
