/* SPDX-License-Identifier: MIT */
#include "binder/reason.h"

#include <errno.h>

static const struct {
        int error;
        enum outcome outcome;
} reasons[] = {
        [LOWPORT_GRANTED] = { 0, OUTCOME_GRANTED },
        [LOWPORT_RULE_DENIES] = { EACCES, OUTCOME_DENIED },
        [LOWPORT_NO_RULE] = { EACCES, OUTCOME_DENIED },
        [LOWPORT_ADDRESS_IN_USE] = { EADDRINUSE, OUTCOME_FAILED },
        [LOWPORT_ADDRESS_NOT_AVAILABLE] = { EADDRNOTAVAIL, OUTCOME_FAILED },
        [LOWPORT_NOT_LOW_PORT] = { EINVAL, OUTCOME_DENIED },
        [LOWPORT_OTHER_NETNS] = { EACCES, OUTCOME_DENIED },
        [LOWPORT_UNSUITABLE_SOCKET] = { EINVAL, OUTCOME_FAILED },
        [LOWPORT_OVER_LIMIT] = { EAGAIN, OUTCOME_OVER_LIMIT },
        [LOWPORT_TOO_SHORT] = { EBADMSG, OUTCOME_MALFORMED },
        [LOWPORT_TOO_LONG] = { EBADMSG, OUTCOME_MALFORMED },
        [LOWPORT_MALFORMED] = { EBADMSG, OUTCOME_MALFORMED },
        [LOWPORT_UNSUPPORTED_VERSION] = { EPROTONOSUPPORT, OUTCOME_MALFORMED },
        [LOWPORT_UNKNOWN_OPERATION] = { EOPNOTSUPP, OUTCOME_MALFORMED },
        [LOWPORT_UNMAPPED_USER] = { EACCES, OUTCOME_DENIED },
        [LOWPORT_EXHAUSTED] = { EMFILE, OUTCOME_FAILED },
        [LOWPORT_BIND_FAILED] = { EIO, OUTCOME_FAILED },
};

int reason_error(enum lowport_reason reason) {
        return reasons[reason].error;
}

enum outcome reason_outcome(enum lowport_reason reason) {
        return reasons[reason].outcome;
}

enum lowport_reason reason_of_error(int error) {
        switch (error) {
        case 0:
                return LOWPORT_GRANTED;
        case EADDRINUSE:
                return LOWPORT_ADDRESS_IN_USE;
        case EADDRNOTAVAIL:
                return LOWPORT_ADDRESS_NOT_AVAILABLE;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case ETOOMANYREFS:
                return LOWPORT_EXHAUSTED;
        default:
                return LOWPORT_BIND_FAILED;
        }
}
