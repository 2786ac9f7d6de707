/* SPDX-License-Identifier: MIT */
#include "binder/audit.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

struct record audit_begin(uint16_t kind, enum mode mode, const struct peer *peer) {
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        return (struct record){
                .kind = kind,
                .flags = (uint16_t)((peer->same_netns ? 0 : RECORD_OTHER_NETNS) |
                                    (mode == MODE_OWN ? RECORD_OWN_MODE : 0)),
                .uid = peer->uid,
                .gid = peer->gid,
                .pid = peer->pid,
                .time = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
        };
}

void audit_request(struct record *record, const struct request *request) {
        record->operation = request->operation;
        record->request_flags = request->flags;
        record->backlog = (uint32_t)request->backlog;
        record->scope = request->address.scope;
        record->port = request->port;
        record->protocol = request->protocol;
        record->family = request->address.family;
        memcpy(record->address, request->address.bytes, sizeof(record->address));
}

bool audit_send(struct board *board, int pipe, const struct record *record) {
        if (write(pipe, record, sizeof(*record)) == (ssize_t)sizeof(*record))
                return true;
        atomic_fetch_add(&board->records_lost, 1);
        return false;
}
