/* SPDX-License-Identifier: MIT */
#include "cli/wrap_listener.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* headers before Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

enum { SYNC_WAKE_UP = 1 };

void wrap_listener_tune(int listener) {
        (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, (unsigned long)SYNC_WAKE_UP);
}

int wrap_listener_receive(int listener, struct seccomp_notif *ret) {
        int error;

        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, ret) == 0)
                return 0;
        error = errno;
        memset(ret, 0, sizeof(*ret));
        return -error;
}

bool wrap_listener_waits(int listener, uint64_t id) {
        return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static void respond(int listener, const struct seccomp_notif_resp *response) {
        int r;

        do
                r = ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
        while (r < 0 && errno == EINTR);
}

void wrap_listener_answer(int listener, uint64_t id, int error) {
        respond(listener, &(struct seccomp_notif_resp){ .id = id, .error = -error });
}

void wrap_listener_pass(int listener, uint64_t id) {
        respond(listener,
                &(struct seccomp_notif_resp){ .id = id,
                                              .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE });
}
