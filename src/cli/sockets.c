/* SPDX-License-Identifier: MIT */
#include "cli/sockets.h"

#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/direct.h"
#include "cli/report.h"
#include "client/address_text.h"
#include "client/deadline.h"
#include "client/handle.h"
#include "common/cleanup.h"
#include "common/endpoint.h"

enum {
        PAUSE_FIRST = 10, /* milliseconds between two tries, doubled from one to the next */
        PAUSE_MAX = 500,
        TIMEOUT_MIN = 1000, /* for one request */
        TIMEOUT_MAX = 10000,
};

/* How one try ended: what each way said. */
struct attempt {
        bool asked; /* the daemon; `lp` has its answer */
        enum lowport_reason reason;
        const char *what; /* failed in this process itself; NULL: nothing */
        int error;
};

static int ask_daemon(struct lowport *lp, const struct spec *spec) {
        const struct request *request = &spec->request;
        char address[ENDPOINT_TEXT_MAX];

        return lowport_open(lp,
                            request->protocol,
                            spec_address(spec, address, sizeof(address)),
                            request->port,
                            request->flags,
                            request->backlog);
}

/* Returns the descriptor, or -1 with the failure in `ret`. */
static int try_daemon(struct lowport *lp,
                      const struct spec *spec,
                      const struct sockets_options *options,
                      struct attempt *ret) {
        int fd = -1, r = 0;

        if (options->own) {
                handle_reset(lp);
                r = direct_open(spec, lp, &fd);
        } else {
                fd = ask_daemon(lp, spec);
        }
        ret->reason = lowport_reason(lp);
        /* What went wrong before the daemon was asked, or after. */
        if (r < 0 && ret->reason == LOWPORT_GRANTED) {
                ret->what = "a socket of our own";
                ret->error = -r;
        }
        if (fd >= 0 && options->verbose)
                cli_complain("%s: %s by the daemon",
                             spec->text,
                             options->own ? "our own, bound" : "bound");
        return fd;
}

/* Returns the descriptor, or -1 with the failures in `ret`. */
static int try_once(struct lowport *lp,
                    const struct spec *spec,
                    const struct sockets_options *options,
                    struct attempt *ret) {
        bool ask = options->no_direct || !direct_is_free(spec->request.port);
        int fd = -1, r;

        *ret = (struct attempt){ .asked = ask };
        if (ask) {
                fd = try_daemon(lp, spec, options, ret);
                if (fd >= 0 || options->no_direct || ret->what != NULL)
                        return fd;
                if (ret->reason != LOWPORT_UNREACHABLE && ret->reason != LOWPORT_NOT_LOW_PORT)
                        return -1;
        }
        r = direct_open(spec, NULL, &fd);
        if (r < 0) {
                ret->what = "binding it directly";
                ret->error = -r;
                return -1;
        }
        if (options->verbose)
                cli_complain("%s: bound directly, %s",
                             spec->text,
                             ask ? lowport_message(lp) : "for it needs no privilege");
        return fd;
}

/* A daemon may still be starting, and a port may still be let go. */
static bool worth_waiting(const struct attempt *attempt) {
        if (attempt->error == EADDRINUSE)
                return true;
        return attempt->asked &&
               (attempt->reason == LOWPORT_UNREACHABLE || attempt->reason == LOWPORT_TIMED_OUT ||
                attempt->reason == LOWPORT_ADDRESS_IN_USE ||
                attempt->reason == LOWPORT_OVER_LIMIT || attempt->reason == LOWPORT_EXHAUSTED);
}

/* Tries until it works, it cannot come to work, or the time is over. */
static int obtain(struct lowport *lp,
                  const struct spec *spec,
                  const struct sockets_options *options,
                  const struct deadline *deadline,
                  struct attempt *ret) {
        unsigned pause = PAUSE_FIRST;
        bool told = !options->verbose;

        for (;;) {
                int fd = try_once(lp, spec, options, ret);
                int left;

                if (fd >= 0 || !worth_waiting(ret))
                        return fd;
                if (!told && options->wait > 0)
                        cli_complain("%s: waiting for the daemon or the port", spec->text);
                told = true;
                if (!deadline_pause(deadline, &pause, PAUSE_MAX))
                        return -1;
                /* A daemon that hangs does not get the full time again, but one that is only busy
                 * is to have its say: what it said is what the user will read. */
                left = deadline_left(deadline);
                left = left < TIMEOUT_MIN ? TIMEOUT_MIN : left;
                (void)lowport_set_timeout(lp, (unsigned)(left < TIMEOUT_MAX ? left : TIMEOUT_MAX));
        }
}

/* Tells of both ways where both failed. Returns the exit status. */
static int report(const struct lowport *lp,
                  const struct spec *spec,
                  const struct sockets_options *options,
                  const struct attempt *attempt) {
        if (attempt->what == NULL) {
                report_refusal(lp, spec, options->own);
                return report_status(attempt->reason);
        }
        if (attempt->asked && attempt->reason != LOWPORT_GRANTED)
                cli_complain("%s: %s", spec->text, lowport_message(lp));
        report_failure(spec, attempt->what, attempt->error);
        if (attempt->error == EADDRINUSE)
                return CLI_IN_USE;
        if (attempt->asked && attempt->reason == LOWPORT_UNREACHABLE) {
                report_hint(attempt->reason, options->own);
                return CLI_UNREACHABLE;
        }
        return attempt->error == EACCES ? CLI_DENIED : CLI_FAILED;
}

static int obtain_all(struct lowport *lp,
                      const struct spec *specs,
                      size_t n,
                      const struct sockets_options *options,
                      int *fds) {
        struct deadline deadline = deadline_in(options->wait);

        for (size_t i = 0; i < n; i++) {
                struct attempt attempt;

                if (fds[i] >= 0)
                        continue;
                fds[i] = obtain(lp, &specs[i], options, &deadline, &attempt);
                if (fds[i] < 0) {
                        int status = report(lp, &specs[i], options, &attempt);

                        while (i-- > 0)
                                fds[i] = close_fd(fds[i]);
                        return status;
                }
        }
        return CLI_OK;
}

int sockets_obtain(const struct spec *specs,
                   size_t n,
                   const struct sockets_options *options,
                   int *fds) {
        struct lowport lp;
        int r = options->own ? handle_init_own(&lp, options->path)
                             : handle_init(&lp, options->path);
        int status;

        if (r < 0) {
                cli_complain("the daemon's socket: %s", strerror(-r));
                return CLI_FAILED;
        }
        status = obtain_all(&lp, specs, n, options, fds);
        handle_done(&lp);
        return status;
}
