/* SPDX-License-Identifier: MIT */
#include "common/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

enum { ASK_VERSION = 1, RULE_FILES = 1, RULE_PORT = 2 };

struct files_rule {
        uint64_t rights;
        int32_t directory;
} __attribute__((packed));

struct port_rule {
        uint64_t rights, port;
};

/* What each version of the interface brought, on top of the one before. */
static const struct landlock_rights known[] = {
        { .files = (1 << 13) - 1 },
        { .files = 1 << 13 }, /* 2, Linux 5.19: REFER */
        { .files = 1 << 14 }, /* 3, Linux 6.2: TRUNCATE */
        { .tcp = LANDLOCK_BIND_TCP | LANDLOCK_CONNECT_TCP },
        { .files = 1 << 15 }, /* 5, Linux 6.10: IOCTL_DEV */
        { .scopes = LANDLOCK_ABSTRACT_SOCKETS | LANDLOCK_SIGNALS },
};

int landlock_create(struct landlock_rights *rights) {
        long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, ASK_VERSION), rules;
        struct landlock_rights here = { 0 };

        if (version < 0)
                return -errno;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && (long)i < version; i++) {
                here.files |= known[i].files;
                here.tcp |= known[i].tcp;
                here.scopes |= known[i].scopes;
        }
        rights->files &= here.files;
        rights->tcp &= here.tcp;
        rights->scopes &= here.scopes;
        if ((rights->files | rights->tcp | rights->scopes) == 0)
                return -EOPNOTSUPP;
        rules = syscall(SYS_landlock_create_ruleset, rights, sizeof(*rights), 0);
        return rules < 0 ? -errno : (int)rules;
}

int landlock_allow_files(int rules, const char *directory, uint64_t rights) {
        _cleanup_fd_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct files_rule rule = { .rights = rights, .directory = fd };

        if (fd < 0 || syscall(SYS_landlock_add_rule, rules, RULE_FILES, &rule, 0) < 0)
                return -errno;
        return 0;
}

int landlock_allow_port(int rules, uint16_t port) {
        struct port_rule rule = { .rights = LANDLOCK_BIND_TCP, .port = port };

        return syscall(SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0) < 0 ? -errno : 0;
}

int landlock_enforce(int rules) {
        return syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? -errno : 0;
}
