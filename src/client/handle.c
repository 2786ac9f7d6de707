/* SPDX-License-Identifier: MIT */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/message.h"

enum { TIMEOUT_DEFAULT = 10000, TIMEOUT_MAX = 3600000 };

/* A setuid program does not let its caller choose the daemon. */
static const char *choose_path(const char *path, const char *variable, const char *usual) {
        if (path == NULL)
                path = secure_getenv(variable);
        return path == NULL || path[0] == '\0' ? usual : path;
}

static int init(struct lowport *lp, const char *path) {
        if (strlen(path) >= sizeof(lp->path))
                return -ENAMETOOLONG;
        memcpy(lp->path, path, strlen(path) + 1);
        lp->connection = CONNECTION_NONE;
        lp->timeout = TIMEOUT_DEFAULT;
        handle_reset(lp);
        return 0;
}

int handle_init(struct lowport *lp, const char *path) {
        return init(lp, choose_path(path, "LOWPORT_SOCKET", LOWPORT_SOCKET_PATH));
}

int handle_init_own(struct lowport *lp, const char *path) {
        return init(lp, choose_path(path, "LOWPORT_OWN_SOCKET", LOWPORT_OWN_SOCKET_PATH));
}

void handle_done(struct lowport *lp) {
        connection_close(&lp->connection);
}

void handle_reset(struct lowport *lp) {
        lp->reason = LOWPORT_GRANTED;
        lp->uid = UINT32_MAX;
        lp->detail = 0;
        lp->line = 0;
        lp->rule_path[0] = '\0';
        memcpy(lp->message, "granted", sizeof("granted"));
}

/* The rule's file goes into messages, and these to terminals and logs: whatever answers is not to
 * write more there than a name. */
static void take_rule(struct lowport *lp, const struct wire_reply *reply) {
        lp->line = reply->line;
        memcpy(lp->rule_path, reply->path, strlen(reply->path) + 1);
        for (char *s = lp->rule_path; *s != '\0'; s++)
                if ((unsigned char)*s < ' ' || *s == 0x7f)
                        *s = '?';
}

void handle_take_reply(struct lowport *lp,
                       const struct wire_request *request,
                       const struct wire_reply *reply) {
        struct message message = {
                .reason = reply->reason,
                .error = reply->error,
                .uid = reply->uid,
                .detail = reply->detail,
                .line = reply->line,
                .path = lp->rule_path,
                .socket = lp->path,
                .address = { .family = request->family, .scope = request->scope },
                .port = request->port,
        };

        lp->reason = reply->reason;
        lp->uid = reply->uid;
        lp->detail = reply->detail;
        /* A state has no rule; its bytes are where the path would be. */
        if (request->operation != WIRE_STATUS || reply->reason != LOWPORT_GRANTED)
                take_rule(lp, reply);
        if (reply->reason == LOWPORT_GRANTED)
                return;
        memcpy(message.address.bytes, request->address, sizeof(request->address));
        message_write(&message, lp->message, sizeof(lp->message));
}

void handle_take_failure(struct lowport *lp,
                         enum lowport_reason reason,
                         int error,
                         const char *problem) {
        struct message message = {
                .reason = (uint16_t)reason,
                .error = error,
                .socket = lp->path,
                .problem = problem,
        };

        lp->reason = (uint16_t)reason;
        message_write(&message, lp->message, sizeof(lp->message));
}

struct lowport *lowport_new(const char *path) {
        struct lowport *lp = calloc(1, sizeof(*lp));
        int r;

        if (lp == NULL)
                return NULL;
        r = handle_init(lp, path);
        if (r < 0) {
                free(lp);
                errno = -r;
                return NULL;
        }
        return lp;
}

struct lowport *lowport_free(struct lowport *lp) {
        if (lp != NULL) {
                handle_done(lp);
                free(lp);
        }
        return NULL;
}

int lowport_set_timeout(struct lowport *lp, unsigned milliseconds) {
        if (lp == NULL || milliseconds == 0 || milliseconds > TIMEOUT_MAX) {
                errno = EINVAL;
                return -1;
        }
        lp->timeout = milliseconds;
        return 0;
}

enum lowport_reason lowport_reason(const struct lowport *lp) {
        return lp == NULL ? LOWPORT_BAD_ARGUMENT : (enum lowport_reason)lp->reason;
}

const char *lowport_message(const struct lowport *lp) {
        return lp == NULL ? "no handle" : lp->message;
}

int lowport_rule(const struct lowport *lp, const char **ret_path, unsigned *ret_line) {
        if (lp == NULL || lp->line == 0)
                return 0;
        *ret_path = lp->rule_path;
        *ret_line = lp->line;
        return 1;
}

uint32_t lowport_uid(const struct lowport *lp) {
        return lp == NULL ? UINT32_MAX : lp->uid;
}
