/* SPDX-License-Identifier: MIT */
#include "cli/wrap_service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/wrap_listener.h"
#include "cli/wrap_request.h"
#include "client/own.h"
#include "common/cleanup.h"

enum {
        HELPERS = 8,     /* at once; what is more waits for one to end */
        TRIES = 3,       /* helpers that may die of one call */
        ANSWER = 10000,  /* milliseconds; as long as lowport_bind() may take */
        LOW_PORTS = 1024 /* the kernel's default */
};

struct wrap_service {
        struct wrap_desk *desk;
        int listener;
        int threshold; /* a file; -1: there is none */
        unsigned helpers;
};

/* The first port that needs no privilege. It may change at any time. */
static unsigned first_free_port(const struct wrap_service *service) {
        char text[16] = "";

        if (pread(service->threshold, text, sizeof(text) - 1, 0) <= 0)
                return LOW_PORTS;
        return (unsigned)strtoul(text, NULL, 10);
}

/* Reads the address. False: the kernel can do the call as it stands, with whatever error. */
static bool needs_help(const struct wrap_service *service, struct wrap_seat *seat) {
        const struct seccomp_data *data = &seat->notif.data;
        int length = (int)data->args[2];
        uint16_t port = 0;

        if (data->nr != __NR_bind)
                return true;
        if (length <= 0 || (size_t)length > sizeof(seat->address))
                return false;
        seat->length = (socklen_t)length;
        seat->error = -wrap_target_read(
                (pid_t)seat->notif.pid, data->args[1], &seat->address, seat->length);
        if (seat->error != 0)
                return seat->error == EPERM;
        return own_port((const struct sockaddr *)&seat->address, seat->length, &port) &&
               port != 0 && port < first_free_port(service);
}

/* `outcome` as wrap_request_decide() returns it. */
static void end(const struct wrap_service *service, struct wrap_seat *seat, int outcome) {
        if (outcome == WRAP_PASS)
                wrap_listener_pass(service->listener, seat->notif.id);
        else
                wrap_listener_answer(service->listener, seat->notif.id, outcome);
        wrap_seat_free(seat);
}

static void sort(struct wrap_service *service, struct wrap_seat *seat) {
        seat->helper = 0;
        if (!needs_help(service, seat))
                end(service, seat, WRAP_PASS);
}

/* Returns 0 or a negative errno. */
static int receive(struct wrap_service *service, struct wrap_seat *seat) {
        int r = wrap_listener_receive(service->listener, &seat->notif);

        if (r == -ENOENT || r == -EINTR)
                return 0;
        if (r < 0)
                return r;
        seat->order = ++service->desk->order;
        seat->deadline = deadline_in(ANSWER);
        sort(service, seat);
        return 0;
}

static void start_helper(struct wrap_service *service, struct wrap_seat *seat) {
        pid_t parent = getpid(), pid;

        if (seat->tries++ == TRIES) {
                end(service, seat, wrap_request_refuse(service->desk, seat));
                return;
        }
        pid = fork();
        if (pid == 0) {
                /* Who takes the parent's place deals with the call anew. */
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() == parent)
                        seat->outcome = wrap_request_decide(service->desk, seat, service->listener);
                _exit(0);
        }
        if (pid < 0) { /* too many processes: then the others wait */
                end(service, seat, wrap_request_decide(service->desk, seat, service->listener));
                return;
        }
        seat->helper = pid;
        service->helpers++;
}

static void start_helpers(struct wrap_service *service) {
        struct wrap_seat *seat;

        while (service->helpers < HELPERS && (seat = wrap_desk_next(service->desk)) != NULL)
                start_helper(service, seat);
}

/* Not the helper answers: so its copy of the socket is gone, and this process is not busy with the
 * helper's end, when the program goes on. Until a call is taken, a signal can interrupt it. */
static void reap_helpers(struct wrap_service *service) {
        struct wrap_seat *seat;
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                seat = wrap_desk_of(service->desk, pid);
                if (seat == NULL)
                        continue;
                service->helpers--;
                if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                        end(service, seat, seat->outcome);
                else
                        seat->helper = 0;
        }
}

/* SIGCHLD: a helper has ended. SIGUSR1: the witness has. */
static int open_signals(void) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGCHLD);
        (void)sigaddset(&set, SIGUSR1);
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int serve(struct wrap_service *service, int signals, pid_t witness) {
        struct signalfd_siginfo signal;
        struct pollfd pollfds[2] = { { .fd = signals, .events = POLLIN } };

        while (witness == 0 || getppid() == witness) {
                struct wrap_seat *seat = wrap_desk_free_seat(service->desk);
                int r;

                pollfds[1] = (struct pollfd){
                        .fd = seat != NULL ? service->listener : -1,
                        .events = POLLIN,
                };
                if (poll(pollfds, 2, -1) < 0 && errno != EINTR)
                        return -errno;
                if ((pollfds[1].revents & POLLHUP) != 0)
                        return WRAP_SERVICE_ENDED;
                if (pollfds[0].revents != 0) {
                        (void)!read(signals, &signal, sizeof(signal));
                        reap_helpers(service);
                }
                if (seat != NULL && (pollfds[1].revents & POLLIN) != 0) {
                        r = receive(service, seat);
                        if (r < 0)
                                return r;
                }
                start_helpers(service);
        }
        return WRAP_SERVICE_ALONE;
}

int wrap_service_run(struct wrap_desk *desk, int listener, pid_t witness) {
        struct wrap_service service = { .desk = desk, .listener = listener };
        _cleanup_fd_ int threshold =
                open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY | O_CLOEXEC);
        _cleanup_fd_ int signals = open_signals();

        if (signals < 0)
                return -errno;
        if (witness != 0)
                (void)prctl(PR_SET_PDEATHSIG, SIGUSR1);
        service.threshold = threshold;
        /* What another one had taken before it was killed. */
        for (size_t i = 0; i < WRAP_SEATS; i++)
                if (wrap_seat_taken(&desk->seats[i]))
                        sort(&service, &desk->seats[i]);
        start_helpers(&service);
        return serve(&service, signals, witness);
}
