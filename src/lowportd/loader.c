/* SPDX-License-Identifier: MIT */
#include "lowportd/loader.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "lowportd/child.h"
#include "lowportd/clock.h"
#include "lowportd/confinement.h"
#include "lowportd/log.h"
#include "policy/load.h"

enum { LOADER_PATIENCE = 30000 }; /* milliseconds; names may come over a network */

/* Should: read policy files and names, and answer. Mustn't: have the capability. */
static _Noreturn void load(int socket, const struct options *options) {
        const struct load_options what = { .paths = options->policies,
                                           .n_paths = options->n_policies };
        struct load_report report = { 0 };
        struct loader_answer answer = { 0 };
        int rules = -1, r;

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        socket = child_begin("lowportd-load", socket);
        confinement_enter_loader();
        r = load_ruleset(&what, &report, &rules);
        for (size_t i = 0; i < report.n_warnings; i++)
                log_warning("%s", report.warnings[i]);
        if (r < 0)
                log_error("%s", report.error != NULL ? report.error : strerror(-r));

        answer.error = -r;
        answer.files = (uint32_t)report.n_files;
        answer.rules = (uint32_t)report.n_rules;
        answer.warnings = (uint32_t)report.n_warnings;
        (void)snprintf(answer.text,
                       sizeof(answer.text),
                       "%s",
                       r == 0                 ? ""
                       : report.error != NULL ? report.error
                                              : strerror(-r));
        _exit(fdpass_send(socket, &answer, sizeof(answer), rules) < 0);
}

int loader_start(struct loader *loader, const struct options *options) {
        int pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        pid = fork();
        if (pid < 0) {
                int r = -errno;

                (void)close_fd(pair[0]);
                (void)close_fd(pair[1]);
                return r;
        }
        if (pid == 0)
                load(pair[1], options);
        (void)close_fd(pair[1]);
        *loader = (struct loader){
                .pid = pid,
                .socket = pair[0],
                .until = clock_now() + LOADER_PATIENCE,
        };
        return 0;
}

void loader_stop(struct loader *loader) {
        if (loader->pid == 0)
                return;
        (void)kill(loader->pid, SIGKILL);
        (void)waitpid(loader->pid, NULL, 0);
        (void)close_fd(loader->socket);
        *loader = (struct loader){ .socket = -1 };
}

void loader_finish(struct loader *loader, struct loader_answer *ret, int *ret_rules) {
        struct loader_answer answer = { 0 };
        _cleanup_fd_ int rules = -1;
        ssize_t n = fdpass_receive(loader->socket, &answer, sizeof(answer), MSG_DONTWAIT, &rules);

        if (n != sizeof(answer) || (answer.error == 0 && rules < 0)) {
                answer = (struct loader_answer){ .error = n == -EAGAIN ? ETIMEDOUT : EPROTO };
                (void)snprintf(answer.text,
                               sizeof(answer.text),
                               n == -EAGAIN ? "loading the policy took more than %d seconds"
                                            : "the loader ended without an answer (limit %d s)",
                               LOADER_PATIENCE / 1000);
                log_error("%s", answer.text);
        }
        answer.text[sizeof(answer.text) - 1] = '\0';
        loader_stop(loader);
        *ret = answer;
        *ret_rules = rules;
        rules = -1;
}
