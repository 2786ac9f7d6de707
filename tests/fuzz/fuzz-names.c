/* SPDX-License-Identifier: MIT */
#include "fuzz-names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/parse.h"
#include "policy/ruleset.h"

static int find(const char *name, uint32_t *ret) {
        if (name[0] == 'b')
                return NAMES_E_UNKNOWN;
        if (name[0] == 'c')
                return -EIO;
        *ret = (uint32_t)strlen(name);
        return 0;
}

static int find_service(const char *name, const char *protocol, uint32_t *ret_port) {
        if (name[0] == 'd')
                return NAMES_E_NO_DATABASE;
        return strcmp(protocol, "sctp") == 0 ? NAMES_E_UNKNOWN : find(name, ret_port);
}

const struct names_source fuzz_names = { find, find, find_service };

const struct compile_facts fuzz_facts = {
        .overflow_uid = 65534,
        .overflow_gid = 65534,
        .port_max = 1023,
        .peer_pidfd = true,
};

struct policy *fuzz_parse(const void *text, size_t size, struct notices *errors, int *ret_result) {
        struct policy *policy = calloc(1, sizeof(*policy));
        char *copy = malloc(size + (size == 0)); /* exact, so that a sanitizer sees its end */
        struct names *names = NULL;

        if (policy == NULL || copy == NULL || names_new(&fuzz_names, &names) < 0)
                abort();
        memcpy(copy, text, size);
        if (policy_add_file(policy, "fuzz.conf", copy, size) < 0)
                abort();
        *ret_result = parse_file(policy, 0, names, errors);
        names_free(names);
        return policy;
}
