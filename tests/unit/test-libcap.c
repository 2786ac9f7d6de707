/* SPDX-License-Identifier: MIT */

/* Our own part of libcap, against what the kernel says of the process in /proc. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef LIBCAP_MAJOR
#error "this is about src/libcap, not about libcap"
#endif

static const cap_value_t low = CAP_NET_BIND_SERVICE, high = CAP_CHECKPOINT_RESTORE;

/* A line such as "CapEff:\t0000…" as a number. */
static unsigned long long status_of(const char *name) {
        FILE *file = fopen("/proc/self/status", "re");
        unsigned long long value = UINT64_MAX;
        char line[256];

        assert_non_null(file);
        while (fgets(line, sizeof(line), file) != NULL)
                if (strncmp(line, name, strlen(name)) == 0)
                        value = strtoull(line + strlen(name) + 1, NULL, 16);
        (void)fclose(file);
        return value;
}

static unsigned long long bit(cap_value_t value) {
        return 1ULL << (unsigned)value;
}

/* Some tests give capabilities up; each is a process of its own. */
static void in_a_child(void (*test)(void)) {
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                test();
                _exit(EXIT_SUCCESS);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

/* The tests below run in user namespaces as well, where "all" is not much. */
static bool has(cap_value_t value) {
        return (status_of("CapPrm") & bit(value)) != 0;
}

static void test_flags_of_both_words_are_kept_apart(void **state) {
        static const cap_flag_t flags[] = { CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE };
        cap_value_t both[] = { low, high };

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                cap_t set = cap_init();
                cap_flag_value_t value;

                assert_int_equal(cap_set_flag(set, flags[i], 2, both, CAP_SET), 0);
                assert_int_equal(cap_set_flag(set, flags[i], 1, &low, CAP_CLEAR), 0);
                for (size_t j = 0; j < 3; j++) {
                        assert_int_equal(cap_get_flag(set, low, flags[j], &value), 0);
                        assert_int_equal(value, CAP_CLEAR);
                        assert_int_equal(cap_get_flag(set, high, flags[j], &value), 0);
                        assert_int_equal(value, i == j ? CAP_SET : CAP_CLEAR);
                }
                assert_int_equal(cap_free(set), 0);
        }
}

static void test_what_is_no_capability_is_refused(void **state) {
        static const cap_value_t wrong[] = { -1, 64, 1000 };
        cap_t set = cap_init();
        cap_flag_value_t value;

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                errno = 0;
                assert_int_equal(cap_set_flag(set, CAP_PERMITTED, 1, &wrong[i], CAP_SET), -1);
                assert_int_equal(errno, EINVAL);
                errno = 0;
                assert_int_equal(cap_get_flag(set, wrong[i], CAP_PERMITTED, &value), -1);
                assert_int_equal(errno, EINVAL);
        }
        errno = 0;
        assert_int_equal(cap_set_proc(NULL), -1);
        assert_int_equal(errno, EINVAL);
        (void)cap_free(set);
        assert_true(cap_get_bound(63) < 0); /* the kernel knows no such capability */
}

static void test_the_process_s_own_sets_are_read(void **state) {
        cap_t now = cap_get_proc();

        (void)state;
        assert_non_null(now);
        for (cap_value_t c = 0; c <= CAP_LAST_CAP; c++) {
                cap_flag_value_t permitted, effective, inheritable;

                assert_int_equal(cap_get_flag(now, c, CAP_PERMITTED, &permitted), 0);
                assert_int_equal(cap_get_flag(now, c, CAP_EFFECTIVE, &effective), 0);
                assert_int_equal(cap_get_flag(now, c, CAP_INHERITABLE, &inheritable), 0);
                assert_int_equal(permitted, (status_of("CapPrm") & bit(c)) != 0);
                assert_int_equal(effective, (status_of("CapEff") & bit(c)) != 0);
                assert_int_equal(inheritable, (status_of("CapInh") & bit(c)) != 0);
                assert_int_equal(cap_get_bound(c), (status_of("CapBnd") & bit(c)) != 0);
        }
        (void)cap_free(now);
}

static void keep_one(void) {
        cap_value_t kept[] = { low };
        cap_t set = cap_init();

        if (has(low) && has(CAP_SETPCAP)) {
                assert_int_equal(cap_drop_bound(high), 0);
                assert_int_equal(cap_get_bound(high), 0);
                assert_int_equal(cap_set_secbits(SECBIT_NO_SETUID_FIXUP), 0);
                assert_int_equal(prctl(PR_GET_SECUREBITS), SECBIT_NO_SETUID_FIXUP);
        }
        if (has(low)) {
                assert_int_equal(cap_set_flag(set, CAP_PERMITTED, 1, kept, CAP_SET), 0);
                assert_int_equal(cap_set_flag(set, CAP_INHERITABLE, 1, kept, CAP_SET), 0);
                assert_int_equal(cap_set_proc(set), 0);
                assert_true(status_of("CapPrm") == bit(low));
                assert_true(status_of("CapInh") == bit(low));
                assert_true(status_of("CapEff") == 0);

                assert_int_equal(cap_set_ambient(low, CAP_SET), 0);
                assert_true(status_of("CapAmb") == bit(low));
                assert_int_equal(cap_set_ambient(low, CAP_CLEAR), 0);
                assert_true(status_of("CapAmb") == 0);
                assert_int_equal(cap_set_ambient(low, CAP_SET), 0);
                assert_int_equal(cap_reset_ambient(), 0);
                assert_true(status_of("CapAmb") == 0);

                assert_int_equal(cap_set_flag(set, CAP_EFFECTIVE, 1, kept, CAP_SET), 0);
                assert_int_equal(cap_set_proc(set), 0);
                assert_true(status_of("CapEff") == bit(low));
        }
        (void)cap_free(set);
}

static void drop_all(void) {
        cap_t none = cap_init();

        assert_int_equal(cap_set_proc(none), 0);
        assert_true(status_of("CapPrm") == 0);
        (void)cap_set_flag(none, CAP_PERMITTED, 1, &low, CAP_SET);
        errno = 0;
        assert_int_equal(cap_set_proc(none), -1);
        assert_int_equal(errno, EPERM);
        errno = 0;
        assert_int_equal(cap_set_ambient(low, CAP_SET), -1);
        assert_int_equal(errno, EPERM);
        (void)cap_free(none);
}

static void test_one_capability_is_kept(void **state) {
        (void)state;
        in_a_child(keep_one);
}

static void test_what_was_given_up_does_not_come_back(void **state) {
        (void)state;
        in_a_child(drop_all);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flags_of_both_words_are_kept_apart),
                cmocka_unit_test(test_what_is_no_capability_is_refused),
                cmocka_unit_test(test_the_process_s_own_sets_are_read),
                cmocka_unit_test(test_one_capability_is_kept),
                cmocka_unit_test(test_what_was_given_up_does_not_come_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
