/* SPDX-License-Identifier: MIT */
#include "policy/account.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/names.h"
#include "policy/text.h"

/* Makes room for `n` groups, and one more. */
static int resize(struct account *account, size_t n) {
        uint32_t *gids = reallocarray(account->gids, n + 1, sizeof(*gids));

        if (gids == NULL)
                return -ENOMEM;
        account->gids = gids;
        account->n_gids = n;
        return 0;
}

/* Takes name and groups of an entry of the user database. */
static int take_entry(const struct passwd *entry, struct account *account) {
        int n = 64, r;

        account->uid = entry->pw_uid;
        account->name = strdup(entry->pw_name);
        if (account->name == NULL)
                return -ENOMEM;
        do {
                int room = n;

                r = resize(account, (size_t)n);
                if (r < 0)
                        return r;
                if (getgrouplist(account->name, entry->pw_gid, account->gids, &n) >= 0)
                        break;
                if (n <= room)
                        n = room * 2; /* a C library that does not say how many there are */
        } while (n < INT_MAX / 4);
        account->n_gids = (size_t)n;
        return 0;
}

int account_find(const char *name, struct account *ret) {
        struct account account = { 0 };
        struct passwd *entry;
        bool number;
        int r;

        number = text_to_number(
                         (struct text){ name, strlen(name) }, UINT32_MAX - 1, &account.uid) == 0;
        errno = 0;
        entry = number ? getpwuid(account.uid) : getpwnam(name);
        if (entry == NULL) {
                if (errno != 0 && errno != ENOENT && errno != ESRCH)
                        return -errno;
                if (!number)
                        return NAMES_E_UNKNOWN;
                *ret = account;
                return 0;
        }
        r = take_entry(entry, &account);
        if (r < 0) {
                account_done(&account);
                return r;
        }
        *ret = account;
        return 0;
}

int account_of_caller(struct account *ret) {
        struct account account = { .uid = geteuid() };
        const struct passwd *entry = getpwuid(account.uid);
        int n = getgroups(0, NULL), r;

        if (n < 0)
                return -errno;
        r = resize(&account, (size_t)n);
        if (r == 0 && entry != NULL) {
                account.name = strdup(entry->pw_name);
                r = account.name == NULL ? -ENOMEM : 0;
        }
        if (r == 0) {
                n = getgroups(n, account.gids);
                r = n < 0 ? -errno : 0;
        }
        if (r < 0) {
                account_done(&account);
                return r;
        }
        account.gids[n] = getegid(); /* need not be among the others */
        account.n_gids = (size_t)n + 1;
        *ret = account;
        return 0;
}

void account_done(struct account *account) {
        free(account->name);
        free(account->gids);
        *account = (struct account){ 0 };
}
