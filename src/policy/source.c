/* SPDX-License-Identifier: MIT */
#include "policy/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define SUFFIX ".conf"

static void free_at(char **text) {
        free(*text);
}

static int fail(struct notices *errors, const char *path, const char *verb, int error) {
        notices_add(errors, path, 0, 0, "cannot %s: %s", verb, strerror(error));
        return -error;
}

/* Who can write a policy can take every port, so it must be root or whoever runs this. Looks at what
 * was opened: the path could name something else by now. */
static int check_owner(struct notices *errors, const char *path, const struct stat *st) {
        if (st->st_uid != 0 && st->st_uid != geteuid()) {
                notices_add(errors,
                            path,
                            0,
                            0,
                            "is owned by uid %u; expected root%s",
                            st->st_uid,
                            geteuid() == 0 ? "" : " or the user who reads it");
                return -EPERM;
        }
        /* An access list that lets others write shows in the group's bits. */
        if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
                notices_add(errors,
                            path,
                            0,
                            0,
                            "is writable by group or others (mode %04o); expected %04o",
                            st->st_mode & 07777U,
                            st->st_mode & 07777U & ~(unsigned)(S_IWGRP | S_IWOTH));
                return -EPERM;
        }
        return 0;
}

/* Reads until the end, or one byte more than is allowed. */
static int read_all(int fd, size_t expected, char **ret_text, size_t *ret_size) {
        size_t capacity = expected < SOURCE_SIZE_MAX ? expected + 1 : SOURCE_SIZE_MAX + 1;
        size_t size = 0;
        _cleanup_(free_at) char *text = malloc(capacity);

        while (text != NULL) {
                ssize_t n = read(fd, text + size, capacity - size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                if (n > 0)
                        size += (size_t)n;
                if (size > SOURCE_SIZE_MAX)
                        return -EFBIG;
                if (size == capacity) { /* it grew since fstat() */
                        char *larger = realloc(text, SOURCE_SIZE_MAX + 1);

                        if (larger == NULL)
                                return -ENOMEM;
                        text = larger;
                        capacity = SOURCE_SIZE_MAX + 1;
                }
        }
        if (text == NULL)
                return -ENOMEM;
        *ret_text = text;
        *ret_size = size;
        text = NULL;
        return 0;
}

static int add_file(struct policy *policy,
                    const char *path,
                    int fd,
                    const struct stat *st,
                    struct notices *errors) {
        _cleanup_(free_at) char *text = NULL;
        size_t size = 0;
        int r = check_owner(errors, path, st);

        if (r < 0)
                return r;
        r = read_all(fd, (size_t)st->st_size, &text, &size);
        if (r == -EFBIG) {
                notices_add(errors,
                            path,
                            0,
                            0,
                            "is too large; expected at most %d MiB",
                            SOURCE_SIZE_MAX / 1024 / 1024);
                return r;
        }
        if (r < 0)
                return fail(errors, path, "read", -r);
        r = policy_add_file(policy, path, text, size);
        if (r < 0)
                return fail(errors, path, "read", -r);
        text = NULL;
        return 0;
}

/* Without O_NONBLOCK a FIFO would wait for its writer. A symbolic link is the administrator's
 * choice: what it leads to is checked. */
static int open_source(int directory, const char *name, struct stat *ret_st, int *ret_fd) {
        _cleanup_fd_ int fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, ret_st) < 0)
                return -errno;
        *ret_fd = fd;
        fd = -1;
        return 0;
}

static int add_entry(struct policy *policy,
                     int fd,
                     const char *path,
                     const char *name,
                     struct notices *errors) {
        _cleanup_(free_at) char *full = NULL;
        _cleanup_fd_ int file = -1;
        size_t length = strlen(path);
        struct stat st = { 0 };
        int r;

        if (asprintf(
                    &full, "%s%s%s", path, length > 0 && path[length - 1] == '/' ? "" : "/", name) <
            0) {
                full = NULL;
                return fail(errors, path, "read", ENOMEM);
        }
        r = open_source(fd, name, &st, &file);
        if (r < 0)
                return fail(errors, full, "open", -r);
        if (!S_ISREG(st.st_mode)) {
                notices_add(errors, full, 0, 0, "is not a file; expected a regular one");
                return -EBADMSG;
        }
        return add_file(policy, full, file, &st, errors);
}

static bool is_policy_file(const char *name) {
        size_t length = strlen(name), suffix = strlen(SUFFIX);

        return name[0] != '.' && length > suffix && strcmp(name + length - suffix, SUFFIX) == 0;
}

/* By bytes: the order must not hang on the locale. */
static int by_name(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

struct listing {
        char **names;
        size_t count;
};

static void listing_done(struct listing *listing) {
        for (size_t i = 0; i < listing->count; i++)
                free(listing->names[i]);
        free((void *)listing->names);
}

/* Takes the names of policy files from `dir`. Returns 0 or a negative errno. */
static int list(DIR *dir, struct listing *listing) {
        for (;;) {
                const struct dirent *entry;
                char **names;

                errno = 0;
                entry = readdir(dir);
                if (entry == NULL)
                        return -errno;
                if (!is_policy_file(entry->d_name))
                        continue;
                names = reallocarray((void *)listing->names, listing->count + 1, sizeof(*names));
                if (names == NULL)
                        return -ENOMEM;
                listing->names = names;
                names[listing->count] = strdup(entry->d_name);
                if (names[listing->count] == NULL)
                        return -ENOMEM;
                listing->count++;
        }
}

static int list_directory(int fd, struct listing *listing) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;
        DIR *dir = copy < 0 ? NULL : fdopendir(copy);

        if (dir == NULL) {
                r = -errno;
                close_fd(copy);
                return r;
        }
        r = list(dir, listing);
        closedir(dir);
        if (r == 0 && listing->count > 0)
                qsort((void *)listing->names, listing->count, sizeof(*listing->names), by_name);
        return r;
}

static int add_directory(struct policy *policy,
                         const char *path,
                         int fd,
                         const struct stat *st,
                         struct notices *errors) {
        _cleanup_(listing_done) struct listing listing = { 0 };
        int r = check_owner(errors, path, st);

        if (r < 0)
                return r;
        r = list_directory(fd, &listing);
        if (r < 0)
                return fail(errors, path, "read", -r);
        for (size_t i = 0; i < listing.count; i++) {
                int one = add_entry(policy, fd, path, listing.names[i], errors);

                r = r < 0 ? r : one;
        }
        return r;
}

static int add(struct policy *policy, const char *path, bool optional, struct notices *errors) {
        _cleanup_fd_ int fd = -1;
        struct stat st = { 0 };
        int r = open_source(AT_FDCWD, path, &st, &fd);

        if (r == -ENOENT && optional)
                return 0;
        if (r < 0)
                return fail(errors, path, "open", -r);
        if (S_ISDIR(st.st_mode))
                return add_directory(policy, path, fd, &st, errors);
        if (S_ISREG(st.st_mode))
                return add_file(policy, path, fd, &st, errors);
        notices_add(errors, path, 0, 0, "is neither a file nor a directory; expected one of them");
        return -EBADMSG;
}

int source_add(struct policy *policy, const char *path, struct notices *errors) {
        return add(policy, path, false, errors);
}

int source_add_optional(struct policy *policy, const char *path, struct notices *errors) {
        return add(policy, path, true, errors);
}
