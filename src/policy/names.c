/* SPDX-License-Identifier: MIT */
#include "policy/names.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "policy/nss.h"

struct names {
        const struct names_source *source;
        void *tree; /* of struct known */
};

struct known {
        const char *kind; /* "user", "group", or a protocol */
        const char *name;
        int result;
        uint32_t answer;
        char copy[]; /* where `name` points once the entry is in the tree */
};

static int compare(const void *left, const void *right) {
        const struct known *a = left, *b = right;
        int r = strcmp(a->name, b->name);

        return r != 0 ? r : strcmp(a->kind, b->kind);
}

static int ask(const struct names_source *source, struct known *entry) {
        if (strcmp(entry->kind, "user") == 0)
                return source->user(entry->name, &entry->answer);
        if (strcmp(entry->kind, "group") == 0)
                return source->group(entry->name, &entry->answer);
        return source->service(entry->name, entry->kind, &entry->answer);
}

/* Asks the source, and remembers what it says. */
static int learn(struct names *names, const struct known *key, const struct known **ret) {
        size_t size = strlen(key->name) + 1;
        struct known *entry = calloc(1, sizeof(*entry) + size);

        if (entry == NULL)
                return -ENOMEM;
        memcpy(entry->copy, key->name, size);
        entry->name = entry->copy;
        entry->kind = key->kind;
        entry->result = ask(names->source, entry);
        if (tsearch(entry, &names->tree, compare) == NULL) {
                free(entry);
                return -ENOMEM;
        }
        *ret = entry;
        return 0;
}

static int look_up(struct names *names, const char *kind, const char *name, uint32_t *ret) {
        struct known key = { .kind = kind, .name = name };
        struct known *const *found = tfind(&key, &names->tree, compare);
        const struct known *entry = NULL;
        int r;

        if (found != NULL) {
                entry = *found;
        } else {
                r = learn(names, &key, &entry);
                if (r < 0)
                        return r;
        }
        if (entry->result == 0)
                *ret = entry->answer;
        return entry->result;
}

int names_new(const struct names_source *source, struct names **ret) {
        struct names *names = calloc(1, sizeof(*names));

        if (names == NULL)
                return -ENOMEM;
        names->source = source != NULL ? source : &nss_names;
        *ret = names;
        return 0;
}

struct names *names_free(struct names *names) {
        if (names != NULL)
                tdestroy(names->tree, free);
        free(names);
        return NULL;
}

int names_user(struct names *names, const char *name, uint32_t *ret_uid) {
        return look_up(names, "user", name, ret_uid);
}

int names_group(struct names *names, const char *name, uint32_t *ret_gid) {
        return look_up(names, "group", name, ret_gid);
}

int names_service(struct names *names, const char *name, const char *protocol, uint32_t *ret_port) {
        return look_up(names, protocol, name, ret_port);
}
