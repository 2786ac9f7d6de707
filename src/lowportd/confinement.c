/* SPDX-License-Identifier: MIT */
#include "lowportd/confinement.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/cleanup.h"
#include "common/landlock.h"
#include "common/limit.h"
#include "lowportd/log.h"

enum {
        LOADER_MEMORY = 1024 * 1048576, /* bytes; 100,000 rules take a tenth */
        LOADER_SECONDS = 30,            /* of a CPU */
};

static void limit(int resource, uint64_t most) {
        int r = limit_lower(resource, most);

        if (r < 0)
                log_warning("cannot set a limit of resources: %s", strerror(-r));
}

static void close_to_privileges(void) {
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        limit(RLIMIT_CORE, 0);
#ifndef LOWPORT_SANITIZED /* which traces itself at the end, to find leaks */
        (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static void say_unconfined(int error) {
        if (error != -ENOSYS && error != -EOPNOTSUPP)
                log_warning("a process goes on without Landlock: %s", strerror(-error));
}

/* The directory of a socket that we made: in it we may remove files. */
static int allow_removal(int rules, const struct listener *listener) {
        char *copy;
        int r;

        if (listener->path == NULL)
                return 0;
        copy = strdup(listener->path);
        if (copy == NULL)
                return -ENOMEM;
        r = landlock_allow_files(rules, dirname(copy), LANDLOCK_REMOVE_FILE);
        free(copy);
        return r;
}

void confinement_enter_manager(const struct listeners *listeners) {
        struct landlock_rights rights = {
                .files = LANDLOCK_ALL_FILES & ~(LANDLOCK_READ_FILE | LANDLOCK_READ_DIR),
                .tcp = LANDLOCK_BIND_TCP,
        };
        _cleanup_fd_ int rules = -1;
        int r;

        close_to_privileges();
        rules = landlock_create(&rights);
        r = rules < 0 ? rules : allow_removal(rules, &listeners->open);
        if (r == 0)
                r = allow_removal(rules, &listeners->own);
        if (r == 0)
                r = landlock_enforce(rules);
        if (r < 0)
                say_unconfined(r);
}

void confinement_enter_child(void) {
        struct landlock_rights rights = {
                .files = LANDLOCK_ALL_FILES & ~(LANDLOCK_READ_FILE | LANDLOCK_READ_DIR),
                .tcp = LANDLOCK_BIND_TCP,
                .scopes = LANDLOCK_SIGNALS,
        };
        _cleanup_fd_ int rules = -1;
        int r;

        close_to_privileges();
        rules = landlock_create(&rights);
        r = rules < 0 ? rules : landlock_enforce(rules);
        if (r < 0)
                say_unconfined(r);
}

void confinement_enter_loader(void) {
        limit(RLIMIT_CPU, LOADER_SECONDS);
#ifndef LOWPORT_SANITIZED /* which reserves terabytes */
        limit(RLIMIT_DATA, LOADER_MEMORY);
#endif
}
