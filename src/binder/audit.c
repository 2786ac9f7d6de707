/* SPDX-License-Identifier: MIT */
#include "binder/audit.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

struct record *audit_begin(struct slot *slot, uint16_t kind, const struct peer *peer) {
        struct timespec now;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        slot->record = (struct record){
                .kind = kind,
                .flags = peer->same_netns ? 0 : RECORD_OTHER_NETNS,
                .uid = peer->uid,
                .gid = peer->gid,
                .pid = peer->pid,
                .time = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
        };
        return &slot->record;
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

void audit_commit(struct slot *slot) {
        atomic_store(&slot->has_record, 1);
}

bool audit_send(struct board *board, struct slot *slot, int pipe) {
        ssize_t n;

        if (atomic_load(&slot->has_record) == 0)
                return true;
        n = write(pipe, &slot->record, sizeof(slot->record));
        atomic_store(&slot->has_record, 0);
        if (n == (ssize_t)sizeof(slot->record))
                return true;
        atomic_fetch_add(&board->records_lost, 1);
        return false;
}

void audit_copy_path(char *ret, size_t size, const char *path) {
        size_t length = strlen(path);

        if (length < size) {
                memcpy(ret, path, length + 1);
                return;
        }
        memcpy(ret, "...", 3);
        memcpy(ret + 3, path + length - (size - 4), size - 3);
}
