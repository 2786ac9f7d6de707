/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lowportd/lines.h"

static struct lines lines;
static char written[4 * sizeof(lines.text)];
static size_t n_written;
static int error;   /* what write(2) fails with */
static size_t most; /* how many bytes it takes at once */
static size_t room; /* and in all */

ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __real_write(int fd, const void *data, size_t size);

ssize_t __wrap_write(int fd, const void *data, size_t size) {
        if (fd != STDERR_FILENO)
                return __real_write(fd, data, size);
        if (room == 0)
                error = ENOSPC;
        if (error != 0) {
                int e = error;

                error = e == EINTR ? 0 : e;
                errno = e;
                return -1;
        }
        if (size > most)
                size = most;
        if (size > room)
                size = room;
        room -= size;
        memcpy(written + n_written, data, size);
        n_written += size;
        return (ssize_t)size;
}

static int begin(void **state) {
        (void)state;
        memset(&lines, 0, sizeof(lines));
        memset(written, 0, sizeof(written));
        n_written = 0;
        error = 0;
        most = sizeof(written);
        room = sizeof(written);
        return 0;
}

static void lines_gather_until_they_are_flushed(void **state) {
        uint64_t dropped = 1;

        (void)state;
        assert_int_equal(lines_add(&lines, "one", " [1]", 1, &dropped), 0);
        assert_int_equal(lines_add(&lines, "two", "", 1, &dropped), 0);
        assert_int_equal(n_written, 0);
        most = 3;
        error = EINTR;
        assert_int_equal(lines_flush(&lines, &dropped), 0);
        assert_int_equal(dropped, 0);
        assert_string_equal(written, "one [1]\ntwo\n");
        assert_int_equal(lines_flush(&lines, &dropped), 0);
        assert_int_equal(n_written, strlen("one [1]\ntwo\n"));
}

static void what_cannot_be_written_is_counted_once(void **state) {
        uint64_t dropped = 0;

        (void)state;
        (void)lines_add(&lines, "one", "", 1, &dropped);
        (void)lines_add(&lines, "5 records lost", "", 5, &dropped);
        error = ENOSPC;
        assert_int_equal(lines_flush(&lines, &dropped), -ENOSPC);
        assert_int_equal(dropped, 6);
        error = 0;
        assert_int_equal(lines_flush(&lines, &dropped), 0);
        assert_int_equal(dropped, 0);
        assert_int_equal(n_written, 0);
}

static void a_full_page_is_written_first(void **state) {
        char line[1000];
        uint64_t dropped = 0, lost = 0;

        (void)state;
        memset(line, 'x', sizeof(line));
        line[sizeof(line) - 1] = '\0';
        for (int i = 0; i < 100; i++) {
                assert_int_equal(lines_add(&lines, line, "", 1, &dropped), 0);
                lost += dropped;
        }
        assert_int_equal(n_written, 65 * sizeof(line)); /* 65 fit 64 KiB */
        error = EPIPE;
        for (int i = 0; i < 100; i++) {
                (void)lines_add(&lines, line, "", 1, &dropped);
                lost += dropped;
        }
        (void)lines_flush(&lines, &dropped);
        assert_int_equal(lost + dropped, 135);
}

static void half_a_line_is_ended_and_counts_as_dropped(void **state) {
        uint64_t dropped = 0;

        (void)state;
        (void)lines_add(&lines, "one", "", 1, &dropped);
        (void)lines_add(&lines, "two", "", 1, &dropped);
        (void)lines_add(&lines, "three", "", 1, &dropped);
        room = 6; /* "one", and half of "two" */
        assert_int_equal(lines_flush(&lines, &dropped), -ENOSPC);
        assert_int_equal(dropped, 2);
        error = 0;
        room = sizeof(written);
        (void)lines_add(&lines, "2 lost", "", 2, &dropped);
        assert_int_equal(lines_flush(&lines, &dropped), 0);
        assert_string_equal(written, "one\ntw\n2 lost\n");
}

static void many_short_lines(void **state) {
        uint64_t dropped = 0;

        (void)state;
        for (int i = 0; i < 3 * LINES_MAX; i++)
                assert_int_equal(lines_add(&lines, "x", "", 1, &dropped), 0);
        assert_int_equal(lines_flush(&lines, &dropped), 0);
        assert_int_equal(n_written, 3 * LINES_MAX * 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(lines_gather_until_they_are_flushed, begin),
                cmocka_unit_test_setup(what_cannot_be_written_is_counted_once, begin),
                cmocka_unit_test_setup(half_a_line_is_ended_and_counts_as_dropped, begin),
                cmocka_unit_test_setup(many_short_lines, begin),
                cmocka_unit_test_setup(a_full_page_is_written_first, begin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
