/* SPDX-License-Identifier: MIT */
#include "policy-fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/compile.h"
#include "policy/parse.h"

struct known {
        const char *name, *protocol;
        uint32_t number;
};

static int
find(const struct known *known, const char *name, const char *protocol, uint32_t *ret_number) {
        for (; known->name != NULL; known++)
                if (strcmp(known->name, name) == 0 && strcmp(known->protocol, protocol) == 0) {
                        *ret_number = known->number;
                        return 0;
                }
        return NAMES_E_UNKNOWN;
}

static int find_user(const char *name, uint32_t *ret_uid) {
        static const struct known users[] = {
                { "alice", "", 1001 }, { "bob", "", 1002 }, { "carol", "", 1003 }, { 0 }
        };

        return strcmp(name, "broken") == 0 ? -EIO : find(users, name, "", ret_uid);
}

static int find_group(const char *name, uint32_t *ret_gid) {
        static const struct known groups[] = {
                { "www", "", 2001 }, { "dns", "", 2002 }, { "ops", "", 2003 }, { 0 }
        };

        return strcmp(name, "broken") == 0 ? -EIO : find(groups, name, "", ret_gid);
}

static int find_service(const char *name, const char *protocol, uint32_t *ret_port) {
        static const struct known services[] = {
                { "http", "tcp", 80 },   { "https", "tcp", 443 },
                { "https", "udp", 443 }, { "domain", "tcp", 53 },
                { "domain", "udp", 53 }, { "split", "tcp", 101 },
                { "split", "udp", 102 }, { 0 },
        };

        if (strcmp(name, "nodatabase") == 0)
                return NAMES_E_NO_DATABASE;
        return strcmp(name, "broken") == 0 ? -EIO : find(services, name, protocol, ret_port);
}

const struct names_source fixture_names = { find_user, find_group, find_service };

const struct compile_facts fixture_facts = {
        .overflow_uid = RULESET_NONE,
        .overflow_gid = RULESET_NONE,
        .port_max = 1023,
        .peer_pidfd = true,
};

int fixture_parse_bytes(const char *text,
                        size_t size,
                        struct policy **ret_policy,
                        struct notices *errors) {
        struct policy *policy = calloc(1, sizeof(*policy));
        char *copy = malloc(size + 1);
        struct names *names = NULL;
        int r;

        assert_non_null(policy);
        assert_non_null(copy);
        memcpy(copy, text, size);
        assert_int_equal(names_new(&fixture_names, &names), 0);
        assert_int_equal(policy_add_file(policy, "test.conf", copy, size), 0);
        r = parse_file(policy, 0, names, errors);
        names_free(names);
        *ret_policy = policy;
        return r;
}

int fixture_parse(const char *text, struct policy **ret_policy, struct notices *errors) {
        return fixture_parse_bytes(text, strlen(text), ret_policy, errors);
}

struct policy *fixture_policy(const char *text) {
        struct notices errors = { 0 };
        struct policy *policy = NULL;
        int r = fixture_parse(text, &policy, &errors);

        if (r != 0 && errors.count > 0)
                print_error("%s\n", errors.list[0].text);
        assert_int_equal(r, 0);
        notices_done(&errors);
        return policy;
}

struct fixture_ruleset fixture_ruleset(const char *text, const struct compile_facts *facts) {
        struct fixture_ruleset fixture = { .policy = fixture_policy(text) };
        struct stat st;
        int fd = -1;

        assert_int_equal(compile_policy(fixture.policy, facts, &fd), 0);
        assert_int_equal(fstat(fd, &st), 0);
        fixture.size = (size_t)st.st_size;
        fixture.memory = malloc(fixture.size);
        assert_non_null(fixture.memory);
        assert_int_equal(pread(fd, fixture.memory, fixture.size, 0), st.st_size);
        close(fd);
        assert_int_equal(ruleset_open(fixture.memory, fixture.size, &fixture.rules), 0);
        return fixture;
}

void fixture_ruleset_done(struct fixture_ruleset *fixture) {
        policy_free(fixture->policy);
        free(fixture->memory);
        *fixture = (struct fixture_ruleset){ 0 };
}
