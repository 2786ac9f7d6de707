/* SPDX-License-Identifier: MIT */
#include "lowportd/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "lowportd/log.h"

static const cap_value_t net_bind = CAP_NET_BIND_SERVICE;

static void free_cap(cap_t *set) {
        (void)cap_free(*set);
}

static bool permitted(cap_value_t capability) {
        _cleanup_(free_cap) cap_t now = cap_get_proc();
        cap_flag_value_t value = CAP_CLEAR;

        return now != NULL && cap_get_flag(now, capability, CAP_PERMITTED, &value) == 0 &&
               value == CAP_SET;
}

/* File capabilities are for whoever may run the file: were that anybody, anybody would have the
 * capability, with a policy and a binder of his own choice. */
static int check_file_capability(void) {
        struct stat stat_of_self;

        if (getauxval(AT_SECURE) == 0 || getuid() != geteuid() || getgid() != getegid() ||
            geteuid() == 0)
                return 0;
        if (stat("/proc/self/exe", &stat_of_self) == 0 && (stat_of_self.st_mode & S_IXOTH) == 0)
                return 0;
        log_error(
                "this file has a capability and everybody may run it, so everybody would have the "
                "capability; make it chgrp lowport, chmod 750");
        return -EPERM;
}

/* Should: leave one capability to gain for this process and all it starts, for ever, and nothing
 * that root's number would bring. Needs CAP_SETPCAP, so only a root start can do it. */
static int lock_bounds(void) {
        for (cap_value_t c = 0; cap_get_bound(c) >= 0; c++)
                if (c != net_bind && cap_get_bound(c) > 0 && cap_drop_bound(c) < 0)
                        return -errno;
        /* NO_SETUID_FIXUP: changing the uid leaves the capabilities to us. */
        if (cap_set_secbits(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                            SECBIT_NO_SETUID_FIXUP_LOCKED) < 0)
                return -errno;
        return 0;
}

/* Should: be the user, with its group and no other. Mustn't: keep a saved id to go back to. */
static int become(const struct passwd *user) {
        _cleanup_(free_cap) cap_t keep = cap_init();

        if (keep == NULL || cap_set_flag(keep, CAP_PERMITTED, 1, &net_bind, CAP_SET) < 0)
                return -errno;
        if (user->pw_uid != geteuid()) {
                if (setgroups(0, NULL) < 0 ||
                    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
                    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
                        return -errno;
        }
        return cap_set_proc(keep) < 0 ? -errno : 0;
}

/* Should: let the binder have the capability across execve(2), which takes it from the ambient set. */
static int make_inheritable(void) {
        _cleanup_(free_cap) cap_t set = cap_init();

        if (set == NULL || cap_set_flag(set, CAP_PERMITTED, 1, &net_bind, CAP_SET) < 0 ||
            cap_set_flag(set, CAP_INHERITABLE, 1, &net_bind, CAP_SET) < 0 ||
            cap_set_proc(set) < 0 || cap_set_ambient(net_bind, CAP_SET) < 0)
                return -errno;
        return 0;
}

static int leave_root(const char *name) {
        const struct passwd *user;
        int r;

        errno = 0;
        user = getpwnam(name);
        if (user == NULL) {
                log_error("cannot become user %s: %s; make it with adduser --system --group %s, or "
                          "name another with --user",
                          name,
                          errno == 0 ? "there is no such user" : strerror(errno),
                          name);
                return -ENOENT;
        }
        r = lock_bounds();
        if (r == 0)
                r = become(user);
        if (r < 0)
                log_error("cannot become user %s (uid %u): %s", name, user->pw_uid, strerror(-r));
        return r;
}

int privilege_reduce(const char *user) {
        int r = check_file_capability();

        if (r < 0)
                return r;
        if (geteuid() == 0) {
                r = leave_root(user != NULL ? user : "lowport");
        } else if (user != NULL) {
                const struct passwd *self = getpwuid(geteuid());

                if (self == NULL || strcmp(self->pw_name, user) != 0) {
                        log_error("--user %s: only root can become another user", user);
                        r = -EPERM;
                }
        }
        if (r < 0)
                return r;

        /* Without it the binder may have it from its own file; it will tell. */
        if (permitted(net_bind)) {
                r = make_inheritable();
                if (r < 0)
                        log_error("cannot keep CAP_NET_BIND_SERVICE: %s", strerror(-r));
        }
        return r;
}

int privilege_drop(void) {
        _cleanup_(free_cap) cap_t none = cap_init();

        if (none == NULL || cap_reset_ambient() < 0 || cap_set_proc(none) < 0) {
                log_error("cannot give up the capability: %s", strerror(errno));
                return -EPERM;
        }
        return 0;
}
