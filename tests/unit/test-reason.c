/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>

#include "binder/reason.h"
#include "client/message.h"

/* By the words of include/lowport/lowport.h. */
static const struct {
        enum lowport_reason reason;
        int error;
        enum outcome outcome;
} reasons[] = {
        { LOWPORT_GRANTED, 0, OUTCOME_GRANTED },
        { LOWPORT_RULE_DENIES, EACCES, OUTCOME_DENIED },
        { LOWPORT_NO_RULE, EACCES, OUTCOME_DENIED },
        { LOWPORT_ADDRESS_IN_USE, EADDRINUSE, OUTCOME_FAILED },
        { LOWPORT_ADDRESS_NOT_AVAILABLE, EADDRNOTAVAIL, OUTCOME_FAILED },
        { LOWPORT_NOT_LOW_PORT, EINVAL, OUTCOME_DENIED },
        { LOWPORT_OTHER_NETNS, EACCES, OUTCOME_DENIED },
        { LOWPORT_UNSUITABLE_SOCKET, EINVAL, OUTCOME_FAILED },
        { LOWPORT_OVER_LIMIT, EAGAIN, OUTCOME_OVER_LIMIT },
        { LOWPORT_TOO_SHORT, EBADMSG, OUTCOME_MALFORMED },
        { LOWPORT_TOO_LONG, EBADMSG, OUTCOME_MALFORMED },
        { LOWPORT_MALFORMED, EBADMSG, OUTCOME_MALFORMED },
        { LOWPORT_UNSUPPORTED_VERSION, EPROTONOSUPPORT, OUTCOME_MALFORMED },
        { LOWPORT_UNKNOWN_OPERATION, EOPNOTSUPP, OUTCOME_MALFORMED },
        { LOWPORT_UNMAPPED_USER, EACCES, OUTCOME_DENIED },
};

enum { N_REASONS = sizeof(reasons) / sizeof(*reasons) };

static void every_reason_has_its_errno_and_outcome(void **state) {
        (void)state;
        for (size_t i = 0; i < N_REASONS; i++) {
                assert_int_equal(reasons[i].reason, i);
                assert_int_equal(reason_error(reasons[i].reason), reasons[i].error);
                assert_int_equal(reason_outcome(reasons[i].reason), reasons[i].outcome);
        }
        /* Of these a system call says more; should none have, it is an error still. */
        for (enum lowport_reason r = LOWPORT_EXHAUSTED; r <= LOWPORT_BIND_FAILED; r++) {
                assert_true(reason_error(r) > 0);
                assert_int_equal(reason_outcome(r), OUTCOME_FAILED);
        }
}

/* The library takes a reply whose errno does not fit its reason for a broken one. */
static void the_library_agrees(void **state) {
        (void)state;
        for (enum lowport_reason r = LOWPORT_GRANTED; r <= LOWPORT_BIND_FAILED; r++)
                assert_true(message_errno(r) == 0 || message_errno(r) == reason_error(r));
}

static void what_the_kernel_says(void **state) {
        static const struct {
                int error;
                enum lowport_reason reason;
        } cases[] = {
                { 0, LOWPORT_GRANTED },
                { EADDRINUSE, LOWPORT_ADDRESS_IN_USE },
                { EADDRNOTAVAIL, LOWPORT_ADDRESS_NOT_AVAILABLE },
                { EMFILE, LOWPORT_EXHAUSTED },
                { ENFILE, LOWPORT_EXHAUSTED },
                { ENOMEM, LOWPORT_EXHAUSTED },
                { ENOBUFS, LOWPORT_EXHAUSTED },
                { ETOOMANYREFS, LOWPORT_EXHAUSTED },
                { EAFNOSUPPORT, LOWPORT_BIND_FAILED },
                { EACCES, LOWPORT_BIND_FAILED }, /* never looks like a denial */
                { EAGAIN, LOWPORT_BIND_FAILED }, /* nor like a limit */
                { EINVAL, LOWPORT_BIND_FAILED },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
                assert_int_equal(reason_of_error(cases[i].error), cases[i].reason);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_reason_has_its_errno_and_outcome),
                cmocka_unit_test(the_library_agrees),
                cmocka_unit_test(what_the_kernel_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
