/* SPDX-License-Identifier: MIT */
#include "lowportd/service.h"

#include <systemd/sd-daemon.h>

int service_take_sockets(int *ret_base, char ***ret_names) {
        *ret_base = SD_LISTEN_FDS_START;
        return sd_listen_fds_with_names(1, ret_names);
}

void service_notify(const char *state) {
        (void)sd_notify(0, state);
}

uint64_t service_watchdog(void) {
        uint64_t interval = 0;

        return sd_watchdog_enabled(0, &interval) > 0 ? interval : 0;
}
