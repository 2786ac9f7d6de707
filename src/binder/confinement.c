/* SPDX-License-Identifier: MIT */
#include "binder/confinement.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <lowport/lowport.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/landlock.h"
#include "common/limit.h"

enum {
        PORTS_MAX = 1024,          /* each costs every worker a tenth of a microsecond */
        MEMORY_MAX = 64 * 1048576, /* bytes; rules and board are not among them */
};

/* A sanitizer reads files, traces itself, and reserves terabytes. */
#ifdef LOWPORT_SANITIZED
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

/* ---- what is there already: only a start by root, or a unit, could see to it ---- */

static bool bounded_to_one(void) {
        int held = 0, r = 0;

        for (unsigned long capability = 0; r >= 0; capability++) {
                r = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
                held += r > 0;
        }
        return held <= 1;
}

static bool root_is_nobody(void) {
        const int locked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;

        return (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & locked) == locked;
}

/* ---- system calls ---- */

#ifdef LOWPORT_SECCOMP
/* What is refused is logged by the kernel, if anything listens to its audit. */
static bool filter_calls(void) {
        static const struct sock_filter instructions[] = {
#include "filter.inc"
        };
        struct sock_fprog program = {
                .len = sizeof(instructions) / sizeof(instructions[0]),
                .filter = (struct sock_filter *)(uintptr_t)instructions,
        };

        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, &program) ==
               0;
}
#else /* a sanitizer has calls of its own, or the build was to be without */
static bool filter_calls(void) {
        return false;
}
#endif

/* ---- stages ---- */

static uint32_t enter_landlock(void) {
        struct landlock_rights rights = {
                .files = LANDLOCK_ALL_FILES,
                .tcp = LANDLOCK_CONNECT_TCP,
                .scopes = LANDLOCK_ABSTRACT_SOCKETS | LANDLOCK_SIGNALS,
        };
        _cleanup_fd_ int rules = landlock_create(&rights);

        if (rules < 0 || landlock_enforce(rules) < 0)
                return 0;
        return LOWPORT_PROTECTION_FILES |
               ((rights.scopes & LANDLOCK_SIGNALS) != 0 ? LOWPORT_PROTECTION_SIGNALS : 0);
}

uint32_t confinement_enter(void) {
        uint32_t protections = 0;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
                protections |= LOWPORT_PROTECTION_NO_NEW_PRIVILEGES;
        if (bounded_to_one())
                protections |= LOWPORT_PROTECTION_ONE_CAPABILITY;
        if (root_is_nobody())
                protections |= LOWPORT_PROTECTION_NO_ROOT;
        if (SANITIZED)
                return protections;

        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && limit_lower(RLIMIT_CORE, 0) == 0 &&
            limit_lower(RLIMIT_MEMLOCK, 0) == 0 && limit_lower(RLIMIT_DATA, MEMORY_MAX) == 0)
                protections |= LOWPORT_PROTECTION_LIMITS;
        protections |= enter_landlock();
        if (filter_calls())
                protections |= LOWPORT_PROTECTION_SYSTEM_CALLS;
        return protections;
}

/* ---- ports ---- */

/* Allows what some rule grants, of every protocol that Landlock may take for TCP: before Linux 6.14
 * it does so with all streams. Returns 0 or a negative errno. */
static int allow_granted(int landlock, const struct ruleset *rules) {
        const uint8_t streams = PROTOCOL_TCP4 | PROTOCOL_TCP6 | PROTOCOL_SCTP4 | PROTOCOL_SCTP6;
        /* By how much more spans hold a port than hold the one before. */
        static int32_t change[UINT16_MAX + 2];
        int32_t spans = 0;
        uint32_t allowed = 0;

        memset(change, 0, sizeof(change));
        for (uint32_t i = 0; i < rules->header->spans; i++) {
                const struct ruleset_span *span = &rules->spans[i];

                if ((span->protocols & streams) != 0 && span->port_low <= span->port_high &&
                    (rules->rules[span->rule].flags & RULE_ALLOW) != 0) {
                        change[span->port_low]++;
                        change[span->port_high + 1]--;
                }
        }
        for (uint32_t port = 0; port <= UINT16_MAX; port++) {
                int r;

                spans += change[port];
                if (spans == 0)
                        continue;
                if (++allowed > PORTS_MAX)
                        return -E2BIG;
                r = landlock_allow_port(landlock, (uint16_t)port);
                if (r < 0)
                        return r;
        }
        return 0;
}

int confinement_of_worker(const struct ruleset *rules, uint32_t *protections) {
        struct landlock_rights rights = { .tcp = LANDLOCK_BIND_TCP, .scopes = LANDLOCK_SIGNALS };
        int landlock = landlock_create(&rights);

        *protections &= ~(uint32_t)LOWPORT_PROTECTION_TCP_PORTS;
        if (landlock < 0 || rights.tcp == 0)
                return landlock;
        if (allow_granted(landlock, rules) == 0) {
                *protections |= LOWPORT_PROTECTION_TCP_PORTS;
                return landlock;
        }
        (void)close_fd(landlock);
        rights.tcp = 0;
        return rights.scopes != 0 ? landlock_create(&rights) : -1;
}

int confinement_enter_worker(int landlock) {
        int r = limit_lower(RLIMIT_NPROC, 0); /* root itself may fork all the same */

        if (r == 0 && landlock >= 0)
                r = landlock_enforce(landlock);
        (void)close_fd(landlock);
        return r;
}
