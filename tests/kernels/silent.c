/* SPDX-License-Identifier: MIT */
#include "silent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacker.h"
#include "common/cleanup.h"
#include "people.h"
#include "scenario.h"

#define MOUNTPOINT "/run/world/silent"
#define DEVICE     "/dev/fuse"

enum {
        PAGE = 4096,
        FILE_NODE = 2, /* beside the root, 1 */
        BUFFER = 1 << 16,
};

/* ---- the file system: one directory with one file of one page ---- */

struct reply {
        struct fuse_out_header header;
        union {
                struct fuse_init_out init;
                struct fuse_entry_out entry;
                struct fuse_attr_out attr;
                struct fuse_open_out open;
        };
};

static struct fuse_attr attributes_of(uint64_t node) {
        return (struct fuse_attr){
                .ino = node,
                .size = PAGE,
                .blocks = 8,
                .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644,
                .nlink = 1,
                .uid = getuid(),
                .gid = getgid(),
                .blksize = PAGE,
        };
}

/* The size of what is to be said; 0: nothing but an errno. */
static size_t fill(const struct fuse_in_header *request, struct reply *reply) {
        switch (request->opcode) {
        case FUSE_INIT:
                reply->init = (struct fuse_init_out){
                        .major = FUSE_KERNEL_VERSION,
                        .minor = 31,
                        .flags = FUSE_WRITEBACK_CACHE,
                        .max_background = 8,
                        .congestion_threshold = 8,
                        .max_write = PAGE,
                        .time_gran = 1,
                        .max_pages = 1,
                };
                return sizeof(reply->init);
        case FUSE_LOOKUP:
                reply->entry = (struct fuse_entry_out){
                        .nodeid = FILE_NODE,
                        .entry_valid = 60,
                        .attr_valid = 60,
                        .attr = attributes_of(FILE_NODE),
                };
                return sizeof(reply->entry);
        case FUSE_GETATTR:
                reply->attr = (struct fuse_attr_out){
                        .attr_valid = 60,
                        .attr = attributes_of(request->nodeid),
                };
                return sizeof(reply->attr);
        case FUSE_OPEN:
                reply->open = (struct fuse_open_out){ .fh = 1 };
                return sizeof(reply->open);
        default:
                return 0;
        }
}

/* To these it says nothing, ever. Whoever drops a dirty file waits for WRITE on new kernels, and for
 * SETATTR (of the time) on those that copy the page, before 6.16. (That FLUSH is not known, the kernel
 * may hear, so that a file can be let go while it is clean.) */
static bool is_silent_on(uint32_t opcode, bool flush) {
        return opcode == FUSE_READ || opcode == FUSE_WRITE || opcode == FUSE_SETATTR ||
               opcode == FUSE_RELEASE || opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET ||
               opcode == FUSE_INTERRUPT || (flush && opcode == FUSE_FLUSH);
}

static void serve_one(int device, bool flush, int attacker) {
        static _Alignas(struct fuse_in_header) char buffer[BUFFER];
        const struct fuse_in_header *request = (struct fuse_in_header *)buffer;
        struct reply reply = { 0 };
        size_t size;

        if (read(device, buffer, sizeof(buffer)) < (ssize_t)sizeof(*request))
                return;
        if (request->opcode == FUSE_READ)
                (void)!write(attacker, "r", 1); /* the kernel waits for the page now */
        if (is_silent_on(request->opcode, flush))
                return;
        size = fill(request, &reply);
        reply.header.unique = request->unique;
        reply.header.error = size == 0 ? -ENOSYS : 0;
        reply.header.len = (uint32_t)(sizeof(reply.header) + size);
        (void)!write(device, &reply, reply.header.len);
}

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) < 0)
                fail("%s: %s", path, strerror(errno));
}

/* In namespaces of the user's own, as everybody can make them. */
static int mount_it(uid_t uid) {
        char text[128];
        int device;

        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                fail("namespaces: %s", strerror(errno));
        write_file("/proc/self/setgroups", "deny");
        (void)snprintf(text, sizeof(text), "%u %u 1", uid, uid);
        write_file("/proc/self/uid_map", text);
        write_file("/proc/self/gid_map", text);
        device = open(DEVICE, O_RDWR | O_CLOEXEC);
        if (device < 0)
                fail("%s: %s", DEVICE, strerror(errno));
        (void)snprintf(text,
                       sizeof(text),
                       "fd=%d,rootmode=40000,user_id=%u,group_id=%u",
                       device,
                       uid,
                       uid);
        if (mount("silent", MOUNTPOINT, "fuse", 0, text) < 0)
                fail("mount: %s", strerror(errno));
        return device;
}

static _Noreturn void live(uid_t uid, const struct attack *attack) {
        int device, pages[2];
        bool flush = strcmp(attack->how, "flush") == 0;
        pid_t attacker;

        people_become(uid);
        device = mount_it(uid);
        if (pipe2(pages, O_CLOEXEC) < 0 || (attacker = fork()) < 0)
                fail("an attacker: %s", strerror(errno));
        if (attacker == 0) {
                (void)close(device);
                attacker_live(attack, MOUNTPOINT "/file", pages[0]);
        }
        for (;;)
                serve_one(device, flush, pages[1]);
}

struct silent
silent_start(uid_t uid, const char *path, const char *how, uint16_t port, unsigned many) {
        struct attack attack = { .path = path, .how = how, .port = port, .many = many };
        struct silent silent;
        int pair[2];

        if (mkdir(MOUNTPOINT, 0755) < 0 && errno != EEXIST)
                fail("%s: %s", MOUNTPOINT, strerror(errno));
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
            (silent.pid = fork()) < 0)
                fail("an attacker: %s", strerror(errno));
        if (silent.pid == 0) {
                (void)close(pair[0]);
                attack.line = pair[1];
                live(uid, &attack);
        }
        (void)close(pair[1]);
        silent.line = pair[0];
        return silent;
}

/* ---- the other end ---- */

char silent_hear(const struct silent *silent) {
        char byte = 0;

        if (recv(silent->line, &byte, 1, 0) != 1)
                fail("an attacker is gone");
        return byte;
}

void silent_says(const struct silent *silent, char wanted) {
        char byte = silent_hear(silent);

        if (byte != wanted)
                fail("an attacker says '%c', not '%c'", byte, wanted);
}

void silent_go(const struct silent *silent) {
        if (send(silent->line, "g", 1, MSG_NOSIGNAL) != 1)
                fail("an attacker is gone");
}

void silent_end(struct silent *silent) {
        (void)kill(silent->pid, SIGKILL);
        (void)waitpid(silent->pid, NULL, 0);
        silent->line = close_fd(silent->line);
}
