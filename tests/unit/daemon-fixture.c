/* SPDX-License-Identifier: MIT */
#include "daemon-fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

size_t fixture_count_fds(void) {
        DIR *directory = opendir("/proc/self/fd");
        size_t n = 0;

        assert_non_null(directory);
        while (readdir(directory) != NULL)
                n++;
        closedir(directory);
        return n;
}

uint64_t fixture_now(void) {
        struct timespec now;

        assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void fixture_pause(void) {
        (void)poll(NULL, 0, 1);
}

void fixture_wait_readable(int fd) {
        struct pollfd poller = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&poller, 1, FIXTURE_PATIENCE), 1);
}

void fixture_make_directory(char ret[64]) {
        (void)snprintf(ret, 64, "/tmp/lowport-test-XXXXXX");
        assert_non_null(mkdtemp(ret));
}

void fixture_remove_directory(const char *path) {
        DIR *directory = opendir(path);
        struct dirent *entry;

        assert_non_null(directory);
        while ((entry = readdir(directory)) != NULL)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        assert_int_equal(unlinkat(dirfd(directory), entry->d_name, 0), 0);
        closedir(directory);
        assert_int_equal(rmdir(path), 0);
}

static struct { int fd, saved, memory; } capture;

void fixture_capture(int fd) {
        (void)fflush(NULL);
        capture.fd = fd;
        capture.memory = memfd_create("captured", MFD_CLOEXEC);
        capture.saved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        assert_true(capture.memory >= 0 && capture.saved >= 0);
        assert_int_equal(dup2(capture.memory, fd), fd);
}

const char *fixture_captured(void) {
        static char text[8192];
        ssize_t n;

        (void)fflush(NULL);
        assert_int_equal(dup2(capture.saved, capture.fd), capture.fd);
        n = pread(capture.memory, text, sizeof(text) - 1, 0);
        assert_true(n >= 0);
        text[n] = '\0';
        close(capture.saved);
        close(capture.memory);
        return text;
}

void fixture_skip(const char *why) {
        print_message("skipped: %s\n", why);
        if (getenv("CI") != NULL)
                fail();
        skip();
}
