/* SPDX-License-Identifier: MIT */
/* Parses and decides for compare.py. Commands on standard input, an answer for each:
 *
 *     policy SIZE OVERFLOW_UID OVERFLOW_GID PORT_MAX, a newline, SIZE bytes
 *         "ok RULES", or "error LINE"
 *     ask UID GIDS UNIT SAME_NETNS PROTOCOL ADDRESS PORT FLAGS     (GIDS "1,2" or "-", UNIT or "-")
 *         "REASON LINE", with enum lowport_reason, and line 0 for none
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/compile.h"
#include "policy/decide.h"
#include "policy/parse.h"

static const struct {
        const char *kind, *name;
        uint32_t number;
} known[] = {
        { "user", "alice", 1001 }, { "user", "bob", 1002 },   { "group", "www", 2001 },
        { "group", "dns", 2002 },  { "tcp", "http", 80 },     { "tcp", "https", 443 },
        { "udp", "https", 443 },   { "tcp", "split", 101 },   { "udp", "split", 102 },
        { "sctp", "split", 101 },  { "udp", "only-udp", 53 },
};

static int find(const char *kind, const char *name, uint32_t *ret) {
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
                if (strcmp(known[i].kind, kind) == 0 && strcmp(known[i].name, name) == 0) {
                        *ret = known[i].number;
                        return 0;
                }
        return NAMES_E_UNKNOWN;
}

static int find_user(const char *name, uint32_t *ret) {
        return find("user", name, ret);
}

static int find_group(const char *name, uint32_t *ret) {
        return find("group", name, ret);
}

static int find_service(const char *name, const char *protocol, uint32_t *ret) {
        return find(protocol, name, ret);
}

static const struct names_source source = { find_user, find_group, find_service };

/* The rule set in force. */
static void *block;
static struct ruleset rules;

static void die(const char *what) {
        (void)fprintf(stderr, "decide-cli: %s\n", what);
        exit(EXIT_FAILURE);
}

static void take_block(const struct policy *policy, const struct compile_facts *facts) {
        struct stat st;
        int fd = -1;

        free(block);
        if (compile_policy(policy, facts, &fd) < 0 || fstat(fd, &st) < 0)
                die("cannot compile");
        block = malloc((size_t)st.st_size);
        if (block == NULL || pread(fd, block, (size_t)st.st_size, 0) != st.st_size)
                die("cannot read the block");
        if (ruleset_open(block, (size_t)st.st_size, &rules) < 0)
                die("the block is wrong");
        (void)close(fd);
}

static void take_policy(const char *line) {
        struct compile_facts facts = { .peer_pidfd = true };
        struct policy *policy = calloc(1, sizeof(*policy));
        struct names *names = NULL;
        struct notices errors = { 0 };
        char *text;
        size_t size;

        if (sscanf(line,
                   "policy %zu %u %u %u",
                   &size,
                   &facts.overflow_uid,
                   &facts.overflow_gid,
                   &facts.port_max) != 4)
                die("bad policy command");
        text = malloc(size + 1);
        if (policy == NULL || text == NULL || fread(text, 1, size, stdin) != size ||
            names_new(&source, &names) < 0 || policy_add_file(policy, "p", text, size) < 0)
                die("cannot read the policy");
        if (parse_file(policy, 0, names, &errors) < 0) {
                printf("error %u\n", errors.count == 0 ? 0 : errors.list[0].line);
        } else {
                take_block(policy, &facts);
                printf("ok %zu\n", policy->n_rules);
        }
        notices_done(&errors);
        names_free(names);
        policy_free(policy);
}

static size_t take_gids(char *text, uint32_t gids[static 16]) {
        size_t n = 0;

        if (strcmp(text, "-") == 0)
                return 0;
        for (char *save = NULL, *word = strtok_r(text, ",", &save); word != NULL && n < 16;
             word = strtok_r(NULL, ",", &save))
                gids[n++] = (uint32_t)strtoul(word, NULL, 10);
        return n;
}

static void ask(const char *line) {
        struct wire_request wire = { .version = WIRE_VERSION, .operation = WIRE_OPEN };
        struct subject subject = { 0 };
        struct request request;
        struct verdict verdict;
        unsigned netns, protocol, port, flags;
        char gid_text[256], unit[256], address[64];
        uint32_t gids[16], detail;
        bool v6;

        if (sscanf(line,
                   "ask %u %255s %255s %u %u %63s %u %u",
                   &subject.uid,
                   gid_text,
                   unit,
                   &netns,
                   &protocol,
                   address,
                   &port,
                   &flags) != 8)
                die("bad ask command");
        v6 = strchr(address, ':') != NULL;
        subject.gids = gids;
        subject.n_gids = take_gids(gid_text, gids);
        subject.unit = strcmp(unit, "-") == 0 ? NULL : unit;
        subject.same_netns = netns != 0;
        wire.protocol = (uint8_t)protocol;
        wire.family = v6 ? ADDRESS_V6 : ADDRESS_V4;
        wire.port = (uint16_t)port;
        wire.flags = flags;
        if (inet_pton(v6 ? AF_INET6 : AF_INET, address, wire.address) != 1)
                die("bad address");
        if (wire_decode(&wire, sizeof(wire), &request, &detail) != LOWPORT_GRANTED)
                die("bad request");
        verdict = decide(&rules, &subject, &request);
        printf("%d %u\n",
               verdict.reason,
               verdict.rule == RULESET_NONE ? 0 : rules.rules[verdict.rule].line);
}

int main(void) {
        char line[1024];

        setvbuf(stdout, NULL, _IOLBF, 0); /* compare.py waits for each answer */
        while (fgets(line, sizeof(line), stdin) != NULL) {
                if (strncmp(line, "policy ", 7) == 0)
                        take_policy(line);
                else
                        ask(line);
        }
        free(block);
        return EXIT_SUCCESS;
}
