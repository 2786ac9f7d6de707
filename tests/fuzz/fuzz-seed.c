/* SPDX-License-Identifier: MIT */
/* fuzz-seed POLICY OUTPUT: compiles a policy and puts a question before it.
 * fuzz-seed reply|answer|record FOLDER: writes inputs of that target. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/record.h"
#include "common/registry.h"
#include "fuzz-names.h"
#include "fuzz-reply.h"
#include "fuzz-ruleset.h"
#include "policy/compile.h"

static const struct fuzz_question question = {
        .request = { .version = WIRE_VERSION,
                     .operation = WIRE_OPEN,
                     .protocol = IPPROTO_TCP,
                     .family = ADDRESS_V6,
                     .port = 80 },
        .uid = 5,
        .gids = { 3, 5, 7 },
        .n_gids = 3,
        .has_unit = 1,
        .same_netns = 1,
        .unit = "app@1.service",
};

static int seed(const char *from, const char *to) {
        static char text[64 * 1024], block[1024 * 1024];
        struct notices errors = { 0 };
        struct policy *policy;
        FILE *in = fopen(from, "r"), *out;
        size_t size = in == NULL ? 0 : fread(text, 1, sizeof(text), in);
        int fd = -1, r = 0;
        ssize_t n;

        if (in != NULL)
                (void)fclose(in);
        policy = fuzz_parse(text, size, &errors, &r);
        notices_done(&errors);
        if (r < 0 || compile_policy(policy, &fuzz_facts, &fd) < 0) {
                policy_free(policy);
                return r;
        }
        policy_free(policy);
        n = pread(fd, block, sizeof(block), 0);
        (void)close(fd);
        out = fopen(to, "w");
        if (n < 0 || out == NULL)
                return -1;
        (void)fwrite(&question, sizeof(question), 1, out);
        (void)fwrite(block, (size_t)n, 1, out);
        return fclose(out);
}

/* What is written next, and where to. */
static struct {
        const char *folder;
        char bytes[8192];
        size_t size;
} out;

static void add(const void *data, size_t size) {
        memcpy(out.bytes + out.size, data, size);
        out.size += size;
}

static void save(const char *name) {
        char path[512];
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/%s", out.folder, name);
        file = fopen(path, "w");
        if (file == NULL || fwrite(out.bytes, 1, out.size, file) != out.size || fclose(file) != 0) {
                perror(path);
                exit(EXIT_FAILURE);
        }
        out.size = 0;
}

static void begin_call(uint8_t call, uint8_t place, uint8_t again) {
        const struct fuzz_call head = { .call = call, .place = place, .again = again };

        add(&head, sizeof(head));
}

static void add_reply(uint8_t fds, uint16_t operation, uint16_t reason, int error) {
        const struct fuzz_datagram head = { .fds = fds, .size = WIRE_REPLY_SIZE };
        struct wire_reply reply = { .version = WIRE_VERSION,
                                    .operation = operation,
                                    .reason = reason,
                                    .error = error,
                                    .uid = 1001,
                                    .line = 3 };
        bool granted = reason == LOWPORT_GRANTED;

        if (operation == WIRE_STATUS && granted)
                memcpy(reply.status.version, "1.2.3", sizeof("1.2.3"));
        else
                memcpy(reply.path, "/etc/lowport/policy.conf", sizeof("/etc/lowport/policy.conf"));
        if (granted && operation == WIRE_OPEN)
                reply.flags = WIRE_HAS_DESCRIPTOR;
        add(&head, sizeof(head));
        add(&reply, sizeof(reply));
}

static void write_replies(void) {
        static const struct fuzz_datagram nothing = { .fds = FUZZ_CLOSE };

        begin_call(FUZZ_OPEN, 1, 1);
        add_reply(1, WIRE_OPEN, LOWPORT_GRANTED, 0);
        add_reply(1, WIRE_OPEN, LOWPORT_GRANTED, 0);
        save("granted");
        begin_call(FUZZ_OPEN, 1, 0);
        add_reply(0, WIRE_OPEN, LOWPORT_GRANTED, 0);
        save("promised-and-missing");
        begin_call(FUZZ_OPEN, 1, 0);
        add_reply(3, WIRE_OPEN, LOWPORT_GRANTED, 0);
        save("three-descriptors");
        begin_call(FUZZ_CHECK, 0, 0);
        add_reply(1, WIRE_CHECK, LOWPORT_RULE_DENIES, EACCES);
        save("unasked-descriptor");
        begin_call(FUZZ_CHECK, 2, 0);
        add_reply(0, WIRE_CHECK, LOWPORT_RULE_DENIES, EACCES);
        save("denied");
        begin_call(FUZZ_CHECK, 3, 0);
        add_reply(0, WIRE_CHECK, LOWPORT_OTHER_NETNS, EACCES);
        save("other-netns");
        begin_call(FUZZ_OPEN, 0, 0);
        add_reply(0, WIRE_OPEN, LOWPORT_BIND_FAILED, EAFNOSUPPORT);
        add_reply(1, WIRE_OPEN, LOWPORT_GRANTED, 0);
        save("without-v6");
        begin_call(FUZZ_OPEN, 1, 0);
        add_reply(FUZZ_CLOSE, 0, LOWPORT_OVER_LIMIT, EAGAIN);
        add_reply(1, WIRE_OPEN, LOWPORT_GRANTED, 0);
        save("over-limit");
        begin_call(FUZZ_STATUS, 0, 0);
        add_reply(0, WIRE_STATUS, LOWPORT_GRANTED, 0);
        save("status");
        begin_call(FUZZ_BIND, 0, 0);
        add_reply(0, WIRE_CHECK, LOWPORT_GRANTED, 0);
        add_reply(0, WIRE_OWN, LOWPORT_UNSUITABLE_SOCKET, EINVAL);
        save("own");
        begin_call(FUZZ_CHECK, 0, 0);
        add_reply(0, WIRE_CHECK, 77, ENOENT);
        save("unknown-reason");
        begin_call(FUZZ_OPEN, 1, 0);
        add(&nothing, sizeof(nothing));
        save("closed");
}

/* How many descriptors, and the name. */
static void write_answer(const char *name, char fds, const char *unit, size_t size) {
        add(&fds, 1);
        add(unit, size);
        save(name);
}

static void write_answers(void) {
        static const char unit[] = "nginx.service";
        static char longest[UNIT_NAME_MAX];

        memset(longest, 'a', sizeof(longest));
        write_answer("unit", 0, unit, strlen(unit));
        write_answer("empty", 0, "", 0);
        write_answer("descriptor", 1, unit, strlen(unit));
        write_answer("longest", 0, longest, sizeof(longest) - 1);
        write_answer("too-long", 0, longest, sizeof(longest));
}

static struct record make_record(uint16_t kind, uint16_t reason) {
        struct record record = { .kind = kind,
                                 .operation = WIRE_OPEN,
                                 .reason = reason,
                                 .uid = 1001,
                                 .gid = 1001,
                                 .pid = 42,
                                 .port = 80,
                                 .protocol = IPPROTO_TCP,
                                 .family = ADDRESS_V6,
                                 .line = 3,
                                 .inode = 7,
                                 .count = 2 };

        memcpy(record.unit, "nginx.service", sizeof("nginx.service"));
        memcpy(record.path, "/etc/lowport/policy.conf", sizeof("/etc/lowport/policy.conf"));
        return record;
}

static void write_records(void) {
        static const struct {
                const char *name;
                uint16_t kind, reason;
        } records[] = {
                { "granted", RECORD_REQUEST, LOWPORT_GRANTED },
                { "in-use", RECORD_REQUEST, LOWPORT_ADDRESS_IN_USE },
                { "exhausted", RECORD_REQUEST, LOWPORT_EXHAUSTED },
                { "closed", RECORD_CLOSED, LOWPORT_TIMED_OUT },
                { "lost", RECORD_LOST, 0 },
                { "stuck", RECORD_STUCK, 0 },
                { "unknown-kind", 9, 0 },
        };
        struct record record;

        for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
                record = make_record(records[i].kind, records[i].reason);
                add(&record, sizeof(record));
                save(records[i].name);
        }
        record = make_record(RECORD_REQUEST, LOWPORT_GRANTED);
        memset(record.unit, 'u', sizeof(record.unit));
        memset(record.path, 'p', sizeof(record.path));
        add(&record, sizeof(record));
        save("unterminated");
        record = make_record(RECORD_REQUEST, LOWPORT_GRANTED);
        memcpy(record.path, "a\nlowportd: forged\x1b[2J", sizeof("a\nlowportd: forged\x1b[2J"));
        add(&record, sizeof(record));
        save("two-lines");
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                void (*write)(void);
        } targets[] = {
                { "reply", write_replies },
                { "answer", write_answers },
                { "record", write_records },
        };

        for (size_t i = 0; argc == 3 && i < sizeof(targets) / sizeof(targets[0]); i++)
                if (strcmp(argv[1], targets[i].name) == 0) {
                        out.folder = argv[2];
                        targets[i].write();
                        return EXIT_SUCCESS;
                }
        if (argc == 3)
                return seed(argv[1], argv[2]) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        (void)fputs("Usage: fuzz-seed POLICY OUTPUT\n"
                    "       fuzz-seed reply|answer|record FOLDER\n",
                    stderr);
        return 2;
}
