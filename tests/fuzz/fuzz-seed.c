/* SPDX-License-Identifier: MIT */
/* fuzz-seed POLICY OUTPUT: compiles a policy and puts a question before it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz-names.h"
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

int main(int argc, char **argv) {
        if (argc == 3)
                return seed(argv[1], argv[2]) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        (void)fputs("Usage: fuzz-seed POLICY OUTPUT\n", stderr);
        return 2;
}
