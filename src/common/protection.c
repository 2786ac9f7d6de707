/* SPDX-License-Identifier: MIT */
#include "common/protection.h"

#include <lowport/lowport.h>
#include <stddef.h>

const struct protection protections[] = {
        { LOWPORT_PROTECTION_NO_NEW_PRIVILEGES, "no-new-privileges", "Linux 3.5" },
        { LOWPORT_PROTECTION_LIMITS, "limits", "prlimit(2)" },
        { LOWPORT_PROTECTION_ONE_CAPABILITY, "one-capability", "a start by root or by its unit" },
        { LOWPORT_PROTECTION_NO_ROOT, "no-root", "a start by root or by its unit" },
        { LOWPORT_PROTECTION_SYSTEM_CALLS, "system-calls", "seccomp, in kernel and build" },
        { LOWPORT_PROTECTION_FILES, "no-files", "Landlock, Linux 5.13" },
        { LOWPORT_PROTECTION_TCP_PORTS,
          "tcp-ports",
          "Landlock, Linux 6.7, and 1,024 ports at most" },
        { LOWPORT_PROTECTION_SIGNALS, "no-signals", "Landlock, Linux 6.12" },
        { LOWPORT_PROTECTION_NO_DESCRIPTORS, "no-descriptors", "Linux 6.16" },
        { 0, NULL, NULL },
};
