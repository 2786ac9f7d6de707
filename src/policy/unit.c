/* SPDX-License-Identifier: MIT */
#include "policy/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "0::/path", or "1:name=systemd:/path" where only that hierarchy is systemd's. The names of groups
 * are other people's choice, and a ':' may be in them: only where a line begins does a word count. */
static const char *path_in_line(const char *line) {
        static const char unified[] = "0::", named[] = ":name=systemd:";

        if (strncmp(line, unified, strlen(unified)) == 0)
                return line + strlen(unified);
        line += strspn(line, "0123456789");
        return strncmp(line, named, strlen(named)) == 0 ? line + strlen(named) : NULL;
}

int unit_read_cgroup(pid_t pid, char *ret, size_t size) {
        char path[64], *line = NULL;
        size_t room = 0;
        int r = -ENODATA;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
        file = fopen(path, "re");
        if (file == NULL)
                return errno == ENOENT ? -ESRCH : -errno;
        while (r < 0 && getline(&line, &room, file) > 0) {
                const char *cgroup = path_in_line(line);

                /* A hybrid host has the empty one last. */
                if (cgroup == NULL || (cgroup[0] == '/' && cgroup[1] == '\n'))
                        continue;
                line[strcspn(line, "\n")] = '\0';
                r = snprintf(ret, size, "%s", cgroup) < (int)size ? 0 : -ENAMETOOLONG;
        }
        free(line);
        (void)fclose(file);
        return r;
}

static bool ends_with(const char *text, size_t length, const char *end) {
        size_t n = strlen(end);

        return length > n && memcmp(text + length - n, end, n) == 0;
}

/* systemd puts '_' before a name that would mean something to the kernel. */
static int take_name(const char *name, size_t length, char *ret, size_t size) {
        static const char *const kinds[] = { ".service", ".scope", ".socket", ".mount", ".swap" };

        if (length > 0 && *name == '_') {
                name++;
                length--;
        }
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (ends_with(name, length, kinds[i]) && length < size) {
                        memcpy(ret, name, length);
                        ret[length] = '\0';
                        return 0;
                }
        return -ENXIO;
}

int unit_of_cgroup(const char *cgroup, char *ret, size_t size) {
        while (*cgroup != '\0') {
                size_t length;

                cgroup += strspn(cgroup, "/");
                length = strcspn(cgroup, "/");
                if (!ends_with(cgroup, length, ".slice"))
                        return take_name(cgroup, length, ret, size);
                cgroup += length;
        }
        return -ENXIO;
}
