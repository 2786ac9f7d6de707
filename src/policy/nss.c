/* SPDX-License-Identifier: MIT */
#include "policy/nss.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum {
        BUFFER_MIN = 4096,
        BUFFER_MAX = 64 * 1024 * 1024, /* a group with a million members */
};

/* One call of a get…_r(3) function: 0 found, an errno, or NOTHING. */
enum { NOTHING = -1 };

struct query {
        const char *name, *protocol;
        uint32_t answer;
};

typedef int (*ask_fn)(struct query *query, char *buffer, size_t size);

static int ask_user(struct query *query, char *buffer, size_t size) {
        struct passwd entry, *found = NULL;
        int r = getpwnam_r(query->name, &entry, buffer, size, &found);

        if (found != NULL)
                query->answer = found->pw_uid;
        return found != NULL ? 0 : r == 0 ? NOTHING : r;
}

static int ask_group(struct query *query, char *buffer, size_t size) {
        struct group entry, *found = NULL;
        int r = getgrnam_r(query->name, &entry, buffer, size, &found);

        if (found != NULL)
                query->answer = found->gr_gid;
        return found != NULL ? 0 : r == 0 ? NOTHING : r;
}

static int ask_service(struct query *query, char *buffer, size_t size) {
        struct servent entry, *found = NULL;
        int r = getservbyname_r(query->name, query->protocol, &entry, buffer, size, &found);

        if (found != NULL)
                query->answer = ntohs((uint16_t)found->s_port);
        return found != NULL ? 0 : r == 0 ? NOTHING : r;
}

/* getpwnam_r(3): what says that there is no such name differs between C libraries and modules; with
 * glibc, ENOENT is a database that is not there at all, and so holds no name. */
static bool means_unknown(int r) {
        return r == NOTHING || r == ENOENT || r == ESRCH;
}

/* Asks with a buffer that grows until the answer fits. */
static int look_up(ask_fn ask, struct query *query) {
        size_t size = BUFFER_MIN;
        char *buffer = NULL;
        int r;

        for (;;) {
                free(buffer);
                buffer = malloc(size);
                if (buffer == NULL)
                        return -ENOMEM;
                r = ask(query, buffer, size);
                if (r == ERANGE && size < BUFFER_MAX)
                        size *= 2;
                else if (r != EINTR)
                        break;
        }
        free(buffer);
        if (r == 0)
                return 0;
        return means_unknown(r) ? NAMES_E_UNKNOWN : -r;
}

static int nss_user(const char *name, uint32_t *ret_uid) {
        struct query query = { .name = name };
        int r = look_up(ask_user, &query);

        if (r == 0)
                *ret_uid = query.answer;
        return r;
}

static int nss_group(const char *name, uint32_t *ret_gid) {
        struct query query = { .name = name };
        int r = look_up(ask_group, &query);

        if (r == 0)
                *ret_gid = query.answer;
        return r;
}

static int nss_service(const char *name, const char *protocol, uint32_t *ret_port) {
        struct query query = { .name = name, .protocol = protocol };
        int r = look_up(ask_service, &query);

        if (r == 0)
                *ret_port = query.answer;
        else if (r == NAMES_E_UNKNOWN && access("/etc/services", F_OK) < 0)
                r = NAMES_E_NO_DATABASE;
        return r;
}

const struct names_source nss_names = {
        .user = nss_user,
        .group = nss_group,
        .service = nss_service,
};
