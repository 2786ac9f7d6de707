/* SPDX-License-Identifier: MIT */
#include "mute.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, ROOT = 1, FILE_NODE = 2, FOR_LONG = 60 };

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                err(1, "%s", path);
        (void)close(fd);
}

void mute_enter(void) {
        char map[64];
        unsigned uid = getuid(), gid = getgid();

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                err(1, "unshare");
        write_file("/proc/self/setgroups", "deny");
        (void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
        write_file("/proc/self/uid_map", map);
        (void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
        write_file("/proc/self/gid_map", map);
}

/* ---- the server ---- */

struct answer {
        struct fuse_out_header header;
        union {
                struct fuse_init_out init;
                struct fuse_entry_out entry;
                struct fuse_attr_out attributes;
                struct fuse_open_out open;
        };
};

static struct fuse_attr attributes_of(uint64_t node) {
        return (struct fuse_attr){
                .ino = node,
                .size = MUTE_PAGES * PAGE,
                .mode = node == ROOT ? S_IFDIR | 0755 : S_IFREG | 0644,
                .nlink = 1,
                .uid = getuid(),
                .gid = getgid(),
                .blksize = PAGE,
        };
}

/* Returns how many bytes the answer has, 0: none. */
static size_t
find_answer(const struct fuse_in_header *question, bool silent_at_close, struct answer *answer) {
        switch (question->opcode) {
        case FUSE_INIT:
                /* No page is read before somebody waits for it. */
                answer->init = (struct fuse_init_out){
                        .major = FUSE_KERNEL_VERSION,
                        .minor = 31,
                        .max_background = MUTE_PAGES,
                        .congestion_threshold = MUTE_PAGES,
                        .max_write = PAGE,
                        .time_gran = 1,
                };
                return sizeof(answer->init);
        case FUSE_LOOKUP:
                answer->entry = (struct fuse_entry_out){
                        .nodeid = FILE_NODE,
                        .entry_valid = FOR_LONG,
                        .attr_valid = FOR_LONG,
                        .attr = attributes_of(FILE_NODE),
                };
                return sizeof(answer->entry);
        case FUSE_GETATTR:
                answer->attributes = (struct fuse_attr_out){
                        .attr_valid = FOR_LONG,
                        .attr = attributes_of(question->nodeid),
                };
                return sizeof(answer->attributes);
        case FUSE_OPEN:
                answer->open = (struct fuse_open_out){ .fh = 1 };
                return sizeof(answer->open);
        case FUSE_FLUSH:
                answer->header.error = -ENOSYS; /* the kernel need not ask again */
                return silent_at_close ? 0 : 1;
        case FUSE_READ:
        case FUSE_RELEASE:
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
                return 0;
        default:
                answer->header.error = -ENOSYS;
                return 1;
        }
}

static _Noreturn void serve(int device, int tell, bool silent_at_close) {
        static union {
                struct fuse_in_header header;
                char bytes[1 << 17];
        } question;

        while (read(device, &question, sizeof(question)) > 0) {
                struct answer answer = { .header.unique = question.header.unique };
                size_t size = find_answer(&question.header, silent_at_close, &answer);

                if (question.header.opcode == FUSE_READ)
                        (void)!write(tell, "r", 1);
                if (size == 0)
                        continue;
                size = sizeof(answer.header) + (answer.header.error == 0 ? size : 0);
                answer.header.len = (uint32_t)size;
                (void)!write(device, &answer, size);
        }
        _exit(0);
}

/* ---- and who uses it ---- */

struct mute mute_begin(const char *device, const char *where, bool silent_at_close) {
        struct mute mute = { .where = where };
        char options[128];
        int fd = open(device, O_RDWR | O_CLOEXEC), pipes[2];

        (void)snprintf(options,
                       sizeof(options),
                       "fd=%d,rootmode=40000,user_id=%u,group_id=%u",
                       fd,
                       getuid(),
                       getgid());
        if (fd < 0 || mount("mute", where, "fuse", 0, options) < 0 || pipe2(pipes, O_CLOEXEC) < 0)
                err(1, "a file system of %s", device);
        mute.server = fork();
        if (mute.server < 0)
                err(1, "fork");
        if (mute.server == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve(fd, pipes[1], silent_at_close);
        }
        (void)close(fd);
        (void)close(pipes[1]);
        mute.told = pipes[0];
        return mute;
}

int mute_open(const struct mute *mute) {
        char path[128];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/file", mute->where);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                err(1, "%s", path);
        return fd;
}

void mute_end(struct mute *mute) {
        (void)kill(mute->server, SIGKILL);
        (void)waitpid(mute->server, NULL, 0);
        (void)umount2(mute->where, MNT_DETACH);
        (void)close(mute->told);
}
