/* SPDX-License-Identifier: MIT */
/* /proc/PID/cgroup, in which the names of groups are other people's choice, and the unit that is
 * read from it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/registry.h"
#include "policy/unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

enum { ROOM = 512 };

static char *text; /* of the file */

/* The fuzzer has files of its own. */
FILE *__wrap_fopen(const char *path, const char *mode) {
        if (strcmp(path, "/proc/1/cgroup") != 0)
                return __real_fopen(path, mode);
        return fmemopen(text, strlen(text), "r");
}

/* By proc(5): ID:CONTROLLERS:PATH, and nothing that comes later in a line can be either of the
 * first two. */
static bool is_group_of_line(const char *line, size_t length, const char *group) {
        const char *controllers = memchr(line, ':', length), *path;
        bool second;

        if (controllers == NULL)
                return false;
        controllers++;
        path = memchr(controllers, ':', length - (size_t)(controllers - line));
        if (path == NULL)
                return false;
        second = path == controllers && controllers == line + 2 && line[0] == '0';
        if (!second && strncmp(controllers, "name=systemd:", 13) != 0)
                return false;
        path++;
        length -= (size_t)(path - line);
        return strlen(group) == length && memcmp(path, group, length) == 0;
}

static bool is_group(const char *group) {
        for (const char *line = text; *line != '\0'; line += *line == '\n') {
                size_t length = strcspn(line, "\n");

                if (is_group_of_line(line, length, group))
                        return true;
                line += length;
        }
        return false;
}

static void check_unit(const char *group, const char *unit) {
        size_t length = strnlen(unit, UNIT_NAME_MAX);

        if (length == 0 || length == UNIT_NAME_MAX || strchr(unit, '/') != NULL)
                abort();
        if (strstr(group, unit) == NULL)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *group = malloc(ROOM), *unit = malloc(UNIT_NAME_MAX);

        text = malloc(size + 1);
        if (text == NULL || group == NULL || unit == NULL)
                abort();
        memcpy(text, data, size);
        text[size] = '\0';
        if (text[0] != '\0' && unit_read_cgroup(1, group, ROOM) == 0) {
                if (!is_group(group))
                        abort();
                if (unit_of_cgroup(group, unit, UNIT_NAME_MAX) == 0)
                        check_unit(group, unit);
        }
        free(text);
        free(group);
        free(unit);
        return 0;
}
