/* SPDX-License-Identifier: MIT */
#include "lowportd/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lowportd/clock.h"
#include "lowportd/log.h"

/* An editor moves the old file away before the new one is there, and several files may change at
 * once: what comes within so many milliseconds is one change. */
enum { SETTLING = 250 };

/* What may change a policy: not IN_MODIFY, for a file that is being written is not whole yet. A
 * ConfigMap of Kubernetes changes by a symbolic link that is moved over another. */
static const uint32_t changes = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

static int watch_directory(const struct watch *watch, const char *path) {
        return inotify_add_watch(watch->fd, path, changes | IN_ONLYDIR) < 0 ? -errno : 0;
}

/* The directory that a file is in: the file may be replaced, or come later. */
static int watch_parent(const struct watch *watch, const char *path) {
        const char *slash = strrchr(path, '/');
        static char parent[4096]; /* PATH_MAX */

        if (slash == NULL)
                return watch_directory(watch, ".");
        if ((size_t)(slash - path) + 2 > sizeof(parent))
                return -ENAMETOOLONG;
        (void)snprintf(parent, sizeof(parent), "%.*s/", (int)(slash - path), path);
        return watch_directory(watch, parent);
}

static void watch_policy(const struct watch *watch, const char *path) {
        struct stat status;
        bool directory = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
        int r = directory ? watch_directory(watch, path) : watch_parent(watch, path);

        if (r < 0)
                log_warning("cannot watch %s for changes: %s", path, strerror(-r));
}

void watch_places(struct watch *watch, const struct options *options) {
        if (watch->fd < 0)
                return;
        for (size_t i = 0; i < options->n_policies; i++)
                watch_policy(watch, options->policies[i]);
        if (options->n_policies == 0) {
                watch_policy(watch, LOWPORT_POLICY_DIR "/policy.conf");
                (void)watch_directory(watch,
                                      LOWPORT_POLICY_DIR "/policy.d"); /* need not be there */
        }
}

int watch_open(struct watch *watch, const struct options *options) {
        int fd;

        *watch = (struct watch){ .fd = -1 };
        if (!options->watch)
                return 0;
        fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (fd < 0) {
                int r = -errno;

                log_error("cannot watch the policy for changes: %s", strerror(-r));
                return r;
        }
        watch->fd = fd;
        return 0;
}

void watch_hear(struct watch *watch) {
        _Alignas(struct inotify_event) char events[2048];

        while (read(watch->fd, events, sizeof(events)) > 0)
                if (watch->due == 0)
                        watch->due = clock_now() + SETTLING;
}

bool watch_is_due(struct watch *watch) {
        if (watch->due == 0 || clock_now() < watch->due)
                return false;
        watch->due = 0;
        return true;
}
