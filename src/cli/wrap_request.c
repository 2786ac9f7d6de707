/* SPDX-License-Identifier: MIT */
#include "cli/wrap_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "cli/wrap_listener.h"
#include "client/own.h"
#include "common/cleanup.h"
#include "common/endpoint.h"

struct wrap_request {
        struct wrap_desk *desk;
        const struct wrap_seat *seat;
        int listener;
        struct wrap_target target;
};

/* Says something about the process; with a key, once in a while. */
static void
say(const struct wrap_request *r, const char *key, const char *place, const char *what) {
        char name[WRAP_TARGET_NAME], line[768];

        if (r->desk->quiet)
                return;
        wrap_target_name(r->target.pid, name);
        (void)snprintf(
                line, sizeof(line), "%s (pid %d): %s%s", name, (int)r->target.pid, place, what);
        wrap_notice(&r->desk->notices, key != NULL ? key : line, "%s", line);
}

static const struct sockaddr *address_of(const struct wrap_seat *seat) {
        return (const struct sockaddr *)&seat->address;
}

/* These are as true without Lowport, and programs know how to report them. */
static bool errno_says_it(unsigned reason) {
        return reason == LOWPORT_GRANTED || reason == LOWPORT_ADDRESS_IN_USE ||
               reason == LOWPORT_ADDRESS_NOT_AVAILABLE || reason == LOWPORT_BIND_FAILED ||
               reason == LOWPORT_NOT_LOW_PORT || reason == LOWPORT_BAD_ARGUMENT;
}

static void report(const struct wrap_request *r, const struct lowport *lp, int fd) {
        char place[ENDPOINT_TEXT_MAX], where[ENDPOINT_TEXT_MAX + 2];
        unsigned reason = lp->reason;
        bool away = reason == LOWPORT_UNREACHABLE || reason == LOWPORT_TIMED_OUT ||
                    reason == LOWPORT_BAD_REPLY;

        own_describe(fd, address_of(r->seat), r->seat->length, place, sizeof(place));
        (void)snprintf(where, sizeof(where), "%s: ", place);
        if (reason == LOWPORT_GRANTED && r->desk->verbose)
                say(r, NULL, where, "bound by the daemon");
        else if (!errno_says_it(reason))
                say(r, away ? lp->message : NULL, where, lp->message);
}

/* Returns what bind(2) is to say. */
static int ask(const struct wrap_request *r, int fd) {
        const struct wrap_seat *seat = r->seat;
        struct lowport lp;
        int error;

        /* Those who went before had to wait for a daemon that does not answer. */
        if (deadline_left(&seat->deadline) == 0) {
                say(r, "late", "", "the daemon does not answer in time");
                return EACCES;
        }
        error = -own_bind_or_keep(&lp, r->desk->own_socket, fd, address_of(seat), seat->length);
        report(r, &lp, fd);
        return error;
}

/* A helper before this one may have been killed after it had bound the socket. */
static bool was_bound(const struct wrap_seat *seat, int fd) {
        uint16_t wanted = 0;

        return seat->tries > 1 && own_port(address_of(seat), seat->length, &wanted) &&
               own_bound_port(fd) == wanted;
}

/* Returns what bind(2) is to say of the target's own socket, which `fd` is a copy of. */
static int bind_for(const struct wrap_request *r, int fd) {
        const struct wrap_seat *seat = r->seat;
        int error;

        if (was_bound(seat, fd) || bind(fd, address_of(seat), seat->length) == 0)
                return 0;
        error = errno;
        return own_may_help(error, address_of(seat), seat->length) ? ask(r, fd) : error;
}

static bool is_internet(int fd) {
        int domain = AF_UNSPEC;
        socklen_t size = sizeof(domain);

        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
                return false;
        return domain == AF_INET || domain == AF_INET6;
}

/* The kernel is left to say EACCES; a high port is still bound. */
static int leave_closed(const struct wrap_request *r) {
        if (!r->target.capable)
                say(r,
                    NULL,
                    "",
                    "does not let other processes look into it (it is not dumpable, or runs with "
                    "other privileges): it cannot be helped with low ports");
        return WRAP_PASS;
}

/* The daemon would be told that this supervisor's user asks. */
static int leave_stranger(const struct wrap_request *r) {
        char what[128];

        if (r->target.capable)
                return WRAP_PASS;
        (void)snprintf(what,
                       sizeof(what),
                       "runs as uid %u now: it cannot be helped in the name of uid %u",
                       r->target.uid,
                       r->desk->uid);
        say(r, NULL, "", what);
        return WRAP_PASS;
}

/* Returns an errno, 0 or WRAP_PASS. */
static int decide_bind(const struct wrap_request *r) {
        _cleanup_fd_ int fd = -1;
        int error;

        if (r->seat->error == EPERM)
                return leave_closed(r);
        if (r->target.uid != r->desk->uid)
                return leave_stranger(r);
        error = -wrap_target_descriptor(&r->target, (int)r->seat->notif.data.args[0], &fd);
        if (error == EPERM)
                return leave_closed(r);
        if (error == EXDEV)
                say(r,
                    NULL,
                    "",
                    "has a thread with descriptors of its own: it cannot be helped with low ports "
                    "before Linux 6.9");
        if (error != 0)
                return WRAP_PASS;
        /* A thread that died since, and another one in its place, would have given us theirs. */
        if (!wrap_listener_waits(r->listener, r->seat->notif.id))
                return WRAP_PASS;
        if (!is_internet(fd) || wrap_target_may_bind(&r->target, fd))
                return WRAP_PASS;
        return bind_for(r, fd);
}

int wrap_request_decide(struct wrap_desk *desk, const struct wrap_seat *seat, int listener) {
        struct wrap_request r = { .desk = desk, .seat = seat, .listener = listener };

        r.target.tid = r.target.pid = (pid_t)seat->notif.pid;
        if (!wrap_listener_waits(listener, seat->notif.id))
                return WRAP_PASS;
        if (wrap_target_look((pid_t)seat->notif.pid, &r.target) < 0)
                say(&r, NULL, "", "cannot be found in /proc: it cannot be helped with low ports");
        else if (seat->notif.data.nr != __NR_bind)
                say(&r, NULL, "", "uses io_uring: a bind that it makes through it is not seen");
        else
                return decide_bind(&r);
        return WRAP_PASS;
}

int wrap_request_refuse(struct wrap_desk *desk, const struct wrap_seat *seat) {
        struct wrap_request r = { .desk = desk, .seat = seat };

        r.target.tid = r.target.pid = (pid_t)seat->notif.pid;
        (void)wrap_target_look((pid_t)seat->notif.pid, &r.target);
        say(&r, NULL, "", "helping it with a low port failed");
        return EACCES;
}
