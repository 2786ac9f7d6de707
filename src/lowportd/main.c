/* SPDX-License-Identifier: MIT */

/* lowportd: the manager that a service manager, a container or a person starts. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "lowportd/listener.h"
#include "lowportd/log.h"
#include "lowportd/manager.h"
#include "lowportd/options.h"
#include "lowportd/privilege.h"
#include "policy/load.h"

/* --check: what the loader would say. */
static int check(const struct options *options) {
        const struct load_options what = { .paths = options->policies,
                                           .n_paths = options->n_policies };
        struct load_report report = { 0 };
        _cleanup_fd_ int rules = -1;
        int r = load_ruleset(&what, &report, &rules);

        for (size_t i = 0; i < report.n_warnings; i++)
                log_warning("%s", report.warnings[i]);
        if (r < 0)
                log_error("%s", report.error != NULL ? report.error : strerror(-r));
        else
                (void)printf("%zu rules in %zu files\n", report.n_rules, report.n_files);
        load_report_done(&report);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        struct options options;
        struct listeners listeners;
        int r = options_parse(argc, argv, &options);

        if (r >= 0)
                return r;
        if (options.check)
                return check(&options);

        /* 1. Should: have the sockets, which only root may be able to make where they belong. */
        if (listeners_open(options.socket, options.own_socket, &listeners) < 0)
                return EXIT_FAILURE;

        /* 2. Should: be an unprivileged user with one capability. Mustn't: read any file before but
         * the databases of users and groups. */
        r = privilege_reduce(options.user);

        /* 3. Should: hand that capability to the binder, and be left with none. */
        r = r < 0 ? EXIT_FAILURE : manager_run(&options, &listeners);

        listeners_remove(&listeners);
        return r;
}
