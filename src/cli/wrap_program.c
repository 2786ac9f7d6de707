/* SPDX-License-Identifier: MIT */
#include "cli/wrap_program.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/cleanup.h"

enum {
        SCRIPTS = 5, /* interpreters that are scripts themselves; the kernel stops there, too */
        LINE = 256   /* what the kernel reads of "#!" */
};

static bool is_executable(const char *path) {
        struct stat st;

        return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Returns a copy, or NULL. */
static char *find_in_path(const char *name) {
        const char *path = getenv("PATH");
        char *found = NULL;

        if (path == NULL)
                path = "/bin:/usr/bin";
        while (*path != '\0') {
                size_t length = strcspn(path, ":");

                if (asprintf(&found, "%.*s%s%s", (int)length, path, length > 0 ? "/" : "", name) <
                    0)
                        return NULL;
                if (is_executable(found))
                        return found;
                free(found);
                path += length + (path[length] == ':');
        }
        return NULL;
}

static char *find(const char *command) {
        if (strchr(command, '/') == NULL)
                return find_in_path(command);
        return is_executable(command) ? strdup(command) : NULL;
}

/* Of a script, a copy of its interpreter's path; else NULL. */
static char *read_interpreter(int fd) {
        char line[LINE] = "", *path;

        if (pread(fd, line, sizeof(line) - 1, 0) < 2 || line[0] != '#' || line[1] != '!')
                return NULL;
        path = line + 2 + strspn(line + 2, " \t");
        path[strcspn(path, " \t\n")] = '\0';
        return is_executable(path) ? strdup(path) : NULL;
}

static bool has_interpreter(int fd, const ElfW(Ehdr) * header) {
        ElfW(Phdr) segment;

        for (unsigned i = 0; i < header->e_phnum; i++) {
                off_t at = (off_t)(header->e_phoff + (size_t)i * header->e_phentsize);

                if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
                        return true;
                if (segment.p_type == PT_INTERP)
                        return true;
        }
        return false;
}

/* The header of what this very program is. */
static bool read_own_header(ElfW(Ehdr) * ret) {
        _cleanup_fd_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        return fd >= 0 && pread(fd, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret);
}

static void look_at_elf(int fd, struct wrap_program *ret) {
        ElfW(Ehdr) header, own;

        if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
            memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || !read_own_header(&own))
                return;
        ret->is_foreign = header.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
                          header.e_machine != own.e_machine;
        if (!ret->is_foreign)
                ret->is_static = !has_interpreter(fd, &header);
}

/* Under no_new_privs, or where the file system is mounted nosuid, these give nothing anyway. */
static bool gains(const char *path) {
        struct stat st;
        struct statvfs fs;

        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 || stat(path, &st) < 0 ||
            statvfs(path, &fs) < 0 || (fs.f_flag & ST_NOSUID) != 0)
                return false;
        if ((st.st_mode & S_ISUID) != 0 && st.st_uid != geteuid())
                return true;
        if ((st.st_mode & S_ISGID) != 0 && (st.st_mode & S_IXGRP) != 0 && st.st_gid != getegid())
                return true;
        return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

/* Returns the next file to look at, or NULL. */
static char *look(const char *path, bool may_be_script, struct wrap_program *ret) {
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *next = fd >= 0 && may_be_script ? read_interpreter(fd) : NULL;

        if (next != NULL)
                return next;
        ret->gains = gains(path);
        if (fd >= 0)
                look_at_elf(fd, ret);
        return NULL;
}

void wrap_program_look(const char *command, struct wrap_program *ret) {
        *ret = (struct wrap_program){ .path = find(command) };
        for (unsigned i = 0; ret->path != NULL; i++) {
                char *next = look(ret->path, i < SCRIPTS, ret);

                if (next == NULL)
                        return;
                free(ret->path);
                ret->path = next;
        }
}

void wrap_program_done(struct wrap_program *program) {
        free(program->path);
        *program = (struct wrap_program){ 0 };
}
