/* SPDX-License-Identifier: MIT */
#include "lowportd/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/protection.h"
#include "common/record.h"
#include "lowportd/auditor.h"
#include "lowportd/binder.h"
#include "lowportd/clock.h"
#include "lowportd/confinement.h"
#include "lowportd/loader.h"
#include "lowportd/log.h"
#include "lowportd/privilege.h"
#include "lowportd/registrar.h"
#include "lowportd/service.h"
#include "lowportd/watch.h"

/* Milliseconds. */
enum {
        BINDER_STOP_PATIENCE = 5000,
        WORKERS_END_PATIENCE = 1000, /* that their parent has left behind */
        STOPPED_PATIENCE = 2000,     /* with a child that is stopped */
};

struct manager {
        const struct options *options;
        struct binder binder;
        struct loader loader;
        struct watch watch;
        struct audit *audit;
        pid_t auditor, registrar;
        int records, registry; /* reading ends, for one of these that must be started anew */
        int signals;
        uint64_t stopped_due;        /* when a child that is stopped is killed, 0: none is */
        uint32_t generation;         /* of the rules ordered last */
        struct loader_answer loaded; /* what they came from */
        bool running;                /* READY has been sent once */
        bool reload_wanted;          /* a further SIGHUP came while loading */
        bool failed;
};

static void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void notify(const char *format, ...) {
        char state[1024];
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(state, sizeof(state), format, arguments);
        va_end(arguments);
        service_notify(state);
}

/* ---- policies ---- */

static void say_no_policy(const struct manager *m) {
        if (m->options->n_policies > 0)
                log_warning("there is no policy in %s: everything is denied",
                            m->options->policies[0]);
        else
                log_warning("there is no policy: everything is denied; write rules such as "
                            "'allow user www-data tcp 80,443' into " LOWPORT_POLICY_DIR
                            "/policy.conf, then send SIGHUP");
}

/* The old policy stays. */
static void reload_failed(const char *why) {
        log_error("the policy was not loaded, the old one stays in force");
        notify("READY=1\nSTATUS=Reload failed, the old policy stays: %s", why);
}

static void loading_failed(struct manager *m, const char *why) {
        if (m->running)
                reload_failed(why);
        else
                m->failed = true;
}

static void start_loading(struct manager *m) {
        int r;

        if (m->loader.pid != 0) {
                m->reload_wanted = true;
                return;
        }
        m->reload_wanted = false;
        watch_places(&m->watch, m->options); /* first, or a change meanwhile goes unseen */
        if (m->running) {
                struct timespec now;

                (void)clock_gettime(CLOCK_MONOTONIC, &now);
                notify("RELOADING=1\nMONOTONIC_USEC=%lld",
                       (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
        }
        r = loader_start(&m->loader, m->options);
        if (r < 0) {
                log_error("cannot start the loader: %s", strerror(-r));
                loading_failed(m, strerror(-r));
        }
}

/* The loader has answered, or will not: its rules go to the binder. */
static void finish_loading(struct manager *m) {
        struct loader_answer answer;
        _cleanup_fd_ int rules = -1;
        int r;

        loader_finish(&m->loader, &answer, &rules);
        if (answer.error != 0) {
                loading_failed(m, answer.text);
                return;
        }
        if (answer.files == 0)
                say_no_policy(m);
        r = binder_order(&m->binder, m->options, m->generation + 1, rules);
        if (r == -EPIPE || r == -ECONNRESET)
                return; /* the binder is ending, and why comes with its exit status */
        if (r < 0) {
                log_error("cannot give the binder its rules: %s", strerror(-r));
                loading_failed(m, strerror(-r));
                return;
        }
        m->generation++;
        m->loaded = answer;
}

/* Adds a name to a list in `text`. */
static void list(char *text, size_t size, const char *name, const char *needs) {
        size_t used = strlen(text);

        (void)snprintf(text + used,
                       size - used,
                       "%s%s%s%s%s",
                       used > 0 ? ", " : "",
                       name,
                       needs != NULL ? " (" : "",
                       needs != NULL ? needs : "",
                       needs != NULL ? ")" : "");
}

/* Once: what confines the binder, and what this kernel or this start lacks of it. */
static void say_protections(uint32_t active) {
        char there[256] = "", lacking[512] = "";

        for (const struct protection *p = protections; p->bit != 0; p++)
                if ((active & p->bit) != 0)
                        list(there, sizeof(there), p->name, NULL);
                else
                        list(lacking, sizeof(lacking), p->name, p->needs);
        log_info("the binder is confined: %s", there);
        if (lacking[0] != '\0')
                log_info("not confined by: %s", lacking);
}

/* The binder works by the rules ordered. */
static void rules_in_force(struct manager *m, uint32_t active) {
        if (!m->running)
                say_protections(active);
        log_info("%s: %u rules of %u files in force",
                 m->running ? "reloaded" : "ready",
                 m->loaded.rules,
                 m->loaded.files);
        m->running = true;
        notify("READY=1\nSTATUS=%u rules of %u files in force", m->loaded.rules, m->loaded.files);
        if (m->reload_wanted)
                start_loading(m);
}

static void handle_report(struct manager *m) {
        struct report report;

        if (binder_hear(&m->binder, &report) <= 0)
                return; /* its end comes as a signal, too */
        if (report.kind == REPORT_READY && report.generation == m->generation)
                rules_in_force(m, report.protections);
        else if (report.kind == REPORT_FAILED)
                reload_failed(strerror(report.error));
}

/* ---- children ---- */

static void start_auditor(struct manager *m) {
        m->auditor = auditor_start(m->audit, m->records);
        if (m->auditor < 0) {
                log_error("cannot start the auditor: %s", strerror((int)-m->auditor));
                m->failed = true;
        }
}

static void start_registrar(struct manager *m) {
        m->registrar = registrar_start(m->registry);
        if (m->registrar < 0) {
                log_error("cannot start the registrar: %s", strerror((int)-m->registrar));
                m->failed = true;
        }
}

static void handle_child(struct manager *m, pid_t pid, int status) {
        bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

        if (pid == m->binder.pid) {
                char why[256];

                binder_explain(status, why, sizeof(why));
                log_error("%s", why);
                m->binder.pid = 0;
                m->failed = true;
        } else if (pid == m->auditor && well) {
                m->auditor = 0; /* no writer is left: the binder is ending */
        } else if (pid == m->auditor) {
                log_warning("the auditor died, and is started again");
                start_auditor(m);
        } else if (pid == m->registrar && well) {
                m->registrar = 0; /* as above */
        } else if (pid == m->registrar) {
                log_warning("the registrar died, and is started again");
                start_registrar(m);
        }
}

static bool is_stopped(pid_t pid) {
        siginfo_t info = { 0 };

        return pid > 0 && waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid == pid;
}

/* One that is stopped (SIGSTOP) does not do its work, and does not end either: if it stays so, it is
 * replaced like one that has died. */
static void end_stopped(struct manager *m) {
        const pid_t children[] = { m->binder.pid, m->auditor, m->registrar };
        uint64_t now = clock_now();
        bool due = m->stopped_due != 0 && now >= m->stopped_due, any = false;

        for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
                if (!is_stopped(children[i]))
                        continue;
                any = true;
                if (due && kill(children[i], SIGKILL) == 0)
                        log_warning("process %d was stopped, and is killed", children[i]);
        }
        if (due || !any)
                m->stopped_due = 0;
        else if (m->stopped_due == 0)
                m->stopped_due = now + STOPPED_PATIENCE;
}

static bool has_ended_now(pid_t pid, int *ret_status) {
        return pid > 0 && waitpid(pid, ret_status, WNOHANG) > 0;
}

/* Returns false when it is time to end. */
static bool handle_signals(struct manager *m) {
        struct signalfd_siginfo info;
        bool go_on = true;
        int status;

        while (read(m->signals, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo == SIGHUP)
                        start_loading(m);
                else if (info.ssi_signo != SIGCHLD)
                        go_on = false;
        }
        /* The loader is waited for by its own module. */
        while (has_ended_now(m->binder.pid, &status))
                handle_child(m, m->binder.pid, status);
        while (has_ended_now(m->auditor, &status))
                handle_child(m, m->auditor, status);
        while (has_ended_now(m->registrar, &status))
                handle_child(m, m->registrar, status);
        return go_on;
}

/* ---- life ---- */

static int set_up_signals(void) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGCHLD);
        (void)signal(SIGPIPE, SIG_IGN);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The queue of records is the pipe itself. Its size needs no privilege up to
 * /proc/sys/fs/pipe-max-size; a smaller one than asked for still works. */
static int make_queue(uint32_t records, int pipe_fds[2]) {
        if (pipe2(pipe_fds, O_CLOEXEC) < 0 || fcntl(pipe_fds[1], F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        if (fcntl(pipe_fds[1], F_SETPIPE_SZ, records * (uint32_t)sizeof(struct record)) < 0)
                log_warning("the record queue stays at its usual size: %s", strerror(errno));
        return 0;
}

/* Starts all; after that nothing here needs a privilege. */
static int start_parts(struct manager *m, struct listeners *listeners) {
        int queue[2], registry[2] = { -1, -1 }, r = make_queue(m->options->record_queue, queue);

        m->audit = auditor_prepare(m->options);
        if (r == 0 && m->audit == NULL)
                r = -errno;
        if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, registry) < 0)
                r = -errno;
        if (r < 0) {
                log_error("cannot make the record queue: %s", strerror(-r));
                return r;
        }
        m->records = queue[0];
        m->registry = registry[0];
        r = binder_start(&m->binder, m->options, listeners, queue[1], registry[1]);
        (void)close_fd(queue[1]);
        (void)close_fd(registry[1]);
        listeners_close(listeners);
        if (r == 0)
                r = privilege_drop();
        if (r < 0)
                return r;
        start_auditor(m);
        start_registrar(m);
        confinement_enter_manager(listeners);
        return m->failed ? -EAGAIN : 0;
}

/* Makes a pause end at `until`. */
static void shorten(uint64_t *pause, uint64_t until) {
        uint64_t now = clock_now(), left = until > now ? until - now : 0;

        if (left < *pause)
                *pause = left;
}

/* How long poll(2) may wait: until the loader's time is up, a change has settled, or the watchdog
 * wants to hear of us. */
static int pause_of(const struct manager *m, uint64_t watchdog) {
        uint64_t pause = watchdog > 0 ? watchdog / 2000 : UINT64_MAX;

        if (m->loader.pid != 0)
                shorten(&pause, m->loader.until);
        if (m->watch.due != 0)
                shorten(&pause, m->watch.due);
        if (m->stopped_due != 0)
                shorten(&pause, m->stopped_due);
        return pause == UINT64_MAX ? -1 : (int)pause;
}

static void loop(struct manager *m) {
        uint64_t watchdog = service_watchdog();

        while (!m->failed) {
                struct pollfd pollers[] = {
                        { .fd = m->signals, .events = POLLIN },
                        { .fd = m->binder.control, .events = POLLIN },
                        { .fd = m->loader.pid != 0 ? m->loader.socket : -1, .events = POLLIN },
                        { .fd = m->watch.fd, .events = POLLIN },
                };
                int n = poll(pollers, 4, pause_of(m, watchdog));

                if (watchdog > 0)
                        service_notify("WATCHDOG=1");
                if (n < 0 && errno != EINTR) {
                        log_error("cannot wait for anything: %s", strerror(errno));
                        m->failed = true;
                        return;
                }
                if (pollers[0].revents != 0 && !handle_signals(m))
                        return;
                if (pollers[0].revents != 0 || m->stopped_due != 0)
                        end_stopped(m);
                if (pollers[1].revents != 0)
                        handle_report(m);
                if (m->loader.pid != 0 &&
                    (pollers[2].revents != 0 || clock_now() >= m->loader.until))
                        finish_loading(m);
                if (pollers[3].revents != 0)
                        watch_hear(&m->watch);
                if (watch_is_due(&m->watch))
                        start_loading(m);
        }
}

/* Waits for the end of a child, for so many milliseconds at most. */
static bool has_ended(const struct manager *m, pid_t pid, uint64_t patience) {
        uint64_t until = clock_now() + patience;
        struct pollfd poller = { .fd = m->signals, .events = POLLIN };

        while (waitpid(pid, NULL, WNOHANG) == 0) {
                struct signalfd_siginfo info;
                uint64_t now = clock_now();

                if (now >= until)
                        return false;
                (void)poll(&poller, 1, (int)(until - now));
                (void)!read(m->signals, &info, sizeof(info));
        }
        return true;
}

/* The binder ends when its control socket closes, the auditor when it has written what is left and
 * no writer of the pipe lives: but a stuck worker may, for ever. */
static void stop_parts(struct manager *m) {
        loader_stop(&m->loader);
        (void)close_fd(m->binder.control);
        if (m->binder.pid > 0 && !has_ended(m, m->binder.pid, BINDER_STOP_PATIENCE)) {
                (void)kill(m->binder.pid, SIGKILL);
                (void)waitpid(m->binder.pid, NULL, 0);
        }
        if (m->auditor > 0 && !has_ended(m, m->auditor, WORKERS_END_PATIENCE)) {
                auditor_finish(m->auditor, m->records);
                (void)waitpid(m->auditor, NULL, 0);
        }
        (void)close_fd(m->records);
        (void)close_fd(m->registry);
        if (m->registrar > 0 && kill(m->registrar, SIGKILL) == 0)
                (void)waitpid(m->registrar, NULL, 0); /* it may hang, and has nothing to lose */
}

int manager_run(const struct options *options, struct listeners *listeners) {
        struct manager m = { .options = options,
                             .loader = { .socket = -1 },
                             .binder = { .control = -1 } };

        m.signals = set_up_signals();
        if (m.signals < 0 || watch_open(&m.watch, options) < 0 || start_parts(&m, listeners) < 0)
                return EXIT_FAILURE;
        start_loading(&m);
        loop(&m);
        notify("STOPPING=1\nSTATUS=Ending");
        stop_parts(&m);
        return m.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
