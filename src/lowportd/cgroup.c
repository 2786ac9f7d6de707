/* SPDX-License-Identifier: MIT */
#include "lowportd/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

enum {
        DEPTH_MAX = 32,
        GROUPS_OF_UNIT = 1000,
};

struct search {
        uint64_t id;
        pid_t pid;
        char *path; /* of the group that is looked at */
        size_t size;
        int left; /* groups that may be looked at in this unit */
};

/* The group one level above. */
struct place {
        int fd;
        size_t length; /* of its path */
        int depth;
        bool in_unit;
};

static bool is_slice(const char *name) {
        static const char suffix[] = ".slice";
        size_t length = strlen(name), n = sizeof(suffix) - 1;

        return length > n && strcmp(name + length - n, suffix) == 0;
}

static bool has_process(int group, pid_t pid) {
        int fd = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
        char line[32];
        bool found = false;

        if (file == NULL) {
                (void)close_fd(fd);
                return false;
        }
        while (!found && fgets(line, sizeof(line), file) != NULL)
                found = strtol(line, NULL, 10) == pid;
        (void)fclose(file);
        return found;
}

static bool search_below(struct search *search, struct place place);

static bool search_entry(struct search *search, struct place place, const struct dirent *entry) {
        struct place next = { .depth = place.depth + 1, .in_unit = true };
        size_t room = search->size - place.length;
        int n = snprintf(search->path + place.length, room, "/%s", entry->d_name);

        if (n < 0 || (size_t)n >= room || next.depth > DEPTH_MAX)
                return false;
        if (search->id != 0 && entry->d_ino == search->id)
                return true;
        if (!place.in_unit && is_slice(entry->d_name))
                next.in_unit = false;
        else if (!place.in_unit)
                search->left = GROUPS_OF_UNIT;
        if (next.in_unit && search->left-- <= 0)
                return false;

        next.length = place.length + (size_t)n;
        next.fd = openat(place.fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next.fd < 0)
                return false;
        if (search->id == 0 && has_process(next.fd, search->pid)) {
                (void)close_fd(next.fd);
                return true;
        }
        return search_below(search, next);
}

/* Takes the descriptor. */
static bool search_below(struct search *search, struct place place) {
        DIR *directory = fdopendir(place.fd);
        const struct dirent *entry;
        bool found = false;

        if (directory == NULL) {
                (void)close_fd(place.fd);
                return false;
        }
        while (!found && (entry = readdir(directory)) != NULL)
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                        found = search_entry(search, place, entry);
        (void)closedir(directory);
        return found;
}

int cgroup_find(const char *root, uint64_t id, pid_t pid, char *ret, size_t size) {
        struct search search = { .id = id, .pid = pid, .path = ret, .size = size };
        struct place top = { .fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };

        return top.fd >= 0 && search_below(&search, top) ? 0 : -ENOENT;
}
