/* SPDX-License-Identifier: MIT */
#include "policy/inquiry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/names.h"
#include "policy/text.h"

struct context {
        struct inquiry *inquiry;
        char *error;
        size_t error_size;
};

static int fail(const struct context *context, int r, const char *kind, const char *value) {
        if (r > 0)
                snprintf(context->error, context->error_size, "there is no %s '%s'", kind, value);
        else
                snprintf(context->error,
                         context->error_size,
                         "looking up %s '%s': %s",
                         kind,
                         value,
                         strerror(-r));
        return r > 0 ? -EINVAL : r;
}

/* Takes the user; groups that were named before stay. */
static int take_user(const struct context *context, const char *value) {
        struct inquiry *inquiry = context->inquiry;
        struct account account = { 0 };
        int r = account_find(value, &account);

        if (r != 0)
                return fail(context, r, "user", value);
        if (inquiry->has_group) {
                free(account.gids);
                account.gids = inquiry->account.gids;
                account.n_gids = inquiry->account.n_gids;
                inquiry->account.gids = NULL;
        }
        account_done(&inquiry->account);
        inquiry->account = account;
        inquiry->has_user = true;
        return 0;
}

static int find_group(const char *value, uint32_t *ret_gid) {
        struct names *names = NULL;
        int r;

        if (text_to_number((struct text){ value, strlen(value) }, UINT32_MAX - 1, ret_gid) == 0)
                return 0;
        r = names_new(NULL, &names);
        if (r == 0)
                r = names_group(names, value, ret_gid);
        names_free(names);
        return r;
}

static int take_group(const struct context *context, const char *value) {
        struct inquiry *inquiry = context->inquiry;
        size_t n = inquiry->has_group ? inquiry->account.n_gids : 0;
        uint32_t gid = 0, *gids;
        int r = find_group(value, &gid);

        if (r != 0)
                return fail(context, r, "group", value);
        gids = reallocarray(inquiry->account.gids, n + 1, sizeof(*gids));
        if (gids == NULL)
                return fail(context, -ENOMEM, "group", value);
        gids[n] = gid;
        inquiry->account.gids = gids;
        inquiry->account.n_gids = n + 1;
        inquiry->has_group = true;
        return 0;
}

static int take(const struct context *context, const char *keyword, const char *value) {
        struct inquiry *inquiry = context->inquiry;

        if (strcmp(keyword, "user") == 0 && !inquiry->has_user)
                return take_user(context, value);
        if (strcmp(keyword, "group") == 0)
                return take_group(context, value);
        if (strcmp(keyword, "unit") == 0 && inquiry->unit == NULL) {
                inquiry->unit = value;
                return 0;
        }
        if (strcmp(keyword, "netns") == 0 && strcmp(value, "other") == 0) {
                inquiry->other_netns = true;
                return 0;
        }
        snprintf(
                context->error,
                context->error_size,
                "'%s %s' is not expected here; expected [user U] [group G]… [unit X] [netns other]",
                keyword,
                value);
        return -EINVAL;
}

static int append(const struct context *context, const char *keyword, const char *value) {
        struct inquiry *inquiry = context->inquiry;
        size_t used = strlen(inquiry->who), room = sizeof(inquiry->who) - used;
        int n;

        if (strcmp(keyword, "netns") == 0)
                return 0; /* stands at the end of a rule */
        n = snprintf(inquiry->who + used, room, "%s%s %s", used > 0 ? " " : "", keyword, value);
        if ((size_t)n < room)
                return 0;
        snprintf(context->error, context->error_size, "too many words about the subject");
        return -EINVAL;
}

int inquiry_parse(const char *const *words,
                  size_t n,
                  struct inquiry *ret,
                  char *error,
                  size_t error_size) {
        struct inquiry inquiry = { 0 };
        struct context context = { &inquiry, error, error_size };
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i += 2) {
                if (i + 1 == n) {
                        snprintf(error, error_size, "'%s' lacks its value, or SPEC", words[i]);
                        r = -EINVAL;
                        break;
                }
                r = take(&context, words[i], words[i + 1]);
                if (r == 0)
                        r = append(&context, words[i], words[i + 1]);
        }
        if (r < 0) {
                inquiry_done(&inquiry);
                return r;
        }
        if (inquiry.who[0] == '\0')
                snprintf(inquiry.who, sizeof(inquiry.who), "anyone");
        *ret = inquiry;
        return 0;
}

int inquiry_of_caller(struct inquiry *ret) {
        struct inquiry inquiry = { .has_user = true };
        int r = account_of_caller(&inquiry.account);

        if (r < 0)
                return r;
        if (inquiry.account.name != NULL)
                snprintf(inquiry.who, sizeof(inquiry.who), "user %s", inquiry.account.name);
        else
                snprintf(inquiry.who, sizeof(inquiry.who), "user %u", inquiry.account.uid);
        *ret = inquiry;
        return 0;
}

struct subject inquiry_subject(const struct inquiry *inquiry, uint32_t spare_uid) {
        return (struct subject){
                .uid = inquiry->has_user ? inquiry->account.uid : spare_uid,
                .gids = inquiry->account.gids,
                .n_gids = inquiry->account.n_gids,
                .unit = inquiry->unit,
                .same_netns = !inquiry->other_netns,
        };
}

void inquiry_done(struct inquiry *inquiry) {
        account_done(&inquiry->account);
        *inquiry = (struct inquiry){ 0 };
}
