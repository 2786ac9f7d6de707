/* SPDX-License-Identifier: MIT */
#pragma once

/* A policy as its files have it: rules in the order of files and lines. Names and texts point into
 * the files' contents, which the policy owns. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/text.h"

/* Ports of some protocols, at one address, in one prefix, or at any. */
struct item {
        uint32_t column;
        uint16_t low, high;
        uint8_t protocols;     /* PROTOCOL_… */
        uint8_t family;        /* ADDRESS_V4, ADDRESS_V6; 0: any address */
        uint8_t prefix_length; /* 32 or 128 for one address */
        uint8_t address[16];
};

struct rule_group {
        struct text name; /* as written */
        uint32_t gid;
        uint32_t column;
        bool known; /* else there is no such group, and nobody is in it */
};

struct rule {
        struct text text; /* the line, without comment and surrounding blanks */
        struct text user; /* as written; at NULL: the rule names none */
        struct text unit; /* a glob; at NULL: the rule names none */
        uint32_t file, line, column;
        uint32_t uid, user_column, unit_column, anyone_column;
        uint32_t first_group, n_groups; /* the peer must be in all of them */
        uint32_t first_item, n_items;
        bool allow; /* else it denies */
        bool user_known;
        bool anyone;
        bool netns_any;
};

struct policy_file {
        char *path;
        char *text;
        size_t size;
};

struct policy {
        struct policy_file *files;
        struct rule *rules;
        struct rule_group *groups;
        struct item *items;
        size_t n_files, n_rules, n_groups, n_items;
        size_t max_files, max_rules, max_groups, max_items;
};

/* Each copies its argument to the end of its array. Return 0 or -ENOMEM. `text` of a file becomes
 * the policy's on success. */
int policy_add_file(struct policy *policy, const char *path, char *text, size_t size);
int policy_add_rule(struct policy *policy, const struct rule *rule);
int policy_add_group(struct policy *policy, const struct rule_group *group);
int policy_add_item(struct policy *policy, const struct item *item);

/* A rule that names a user or group which does not exist can match nobody. */
bool rule_matches_nobody(const struct policy *policy, const struct rule *rule);

const char *rule_path(const struct policy *policy, const struct rule *rule);

/* Frees a policy made with calloc(3), and returns NULL. NULL is allowed. */
struct policy *policy_free(struct policy *policy);
