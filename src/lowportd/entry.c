/* SPDX-License-Identifier: MIT */
#include "lowportd/entry.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "common/endpoint.h"
#include "common/wire.h"

/* One id per kind of message, for journalctl MESSAGE_ID=… and for the journal catalog. */
static const char id_granted[] = "e4986b4ff91e445995fb724c0a054e77";
static const char id_denied[] = "eff1fa6bba5f4757b8f0665ff654a146";
static const char id_failed[] = "58ebe5230cad4eaf84a6f3560425940b";
static const char id_limited[] = "90f7b3f27cc74c6d8eb86c4a2b3d7b5d";
static const char id_malformed[] = "97cd69ccabbf474893d910bf4b72fe4e";
static const char id_lost[] = "01e88a3f56f842b4880557099584cf4c";
static const char id_stuck[] = "de52b6571e1f4163aa298a6127b8c6c0";
static const char id_died[] = "0d4bc2a1f4b14e0d8f3f3c2a7e915d66";

/* What kind of news a request's end is. */
struct verdict_words {
        const char *verb, *id;
        int priority;
};

static struct verdict_words verdict_of(const struct record *record) {
        switch (record->reason) {
        case LOWPORT_GRANTED:
                return (struct verdict_words){ "granted", id_granted, LOG_INFO };
        case LOWPORT_RULE_DENIES:
        case LOWPORT_NO_RULE:
        case LOWPORT_NOT_LOW_PORT:
        case LOWPORT_OTHER_NETNS:
        case LOWPORT_UNMAPPED_USER:
                return (struct verdict_words){ "denied", id_denied, LOG_NOTICE };
        case LOWPORT_OVER_LIMIT:
        case LOWPORT_TIMED_OUT:
                return (struct verdict_words){ "limited", id_limited, LOG_WARNING };
        case LOWPORT_ADDRESS_IN_USE:
        case LOWPORT_ADDRESS_NOT_AVAILABLE:
        case LOWPORT_EXHAUSTED:
        case LOWPORT_BIND_FAILED:
        case LOWPORT_UNSUITABLE_SOCKET:
                return (struct verdict_words){ "failed", id_failed, LOG_WARNING };
        default:
                return (struct verdict_words){ "malformed", id_malformed, LOG_NOTICE };
        }
}

/* A worker gone bad must not write lines of its own into the log, nor to a terminal. */
static void make_line(char *text, size_t size) {
        text[size - 1] = '\0';
        for (; *text != '\0'; text++)
                if ((unsigned char)*text < ' ' || *text == 0x7f)
                        *text = '?';
}

bool entry_admits(struct record *record) {
        make_line(record->unit, sizeof(record->unit));
        make_line(record->path, sizeof(record->path));
        return record->kind >= RECORD_REQUEST && record->kind <= RECORD_DIED;
}

/* Appends to the entry's text; returns where, or "" when it is full. */
static const char *put(struct entry *entry, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static const char *put(struct entry *entry, const char *format, ...) {
        char *start = entry->text + entry->used;
        size_t room = sizeof(entry->text) - entry->used;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vsnprintf(start, room, format, arguments);
        va_end(arguments);
        if (n < 0 || (size_t)n >= room)
                return "";
        entry->used += (size_t)n + 1;
        return start;
}

#define FIELD(entry, ...)                                                               \
        do {                                                                            \
                if ((entry)->n_fields < ENTRY_FIELDS_MAX)                               \
                        (entry)->fields[(entry)->n_fields++] = put(entry, __VA_ARGS__); \
        } while (0)

static void describe_endpoint(const struct record *record, char ret[ENDPOINT_TEXT_MAX]) {
        struct address address = { .family = record->family, .scope = record->scope };
        bool v6only = (record->request_flags & LOWPORT_V6ONLY) != 0;

        memcpy(address.bytes, record->address, sizeof(address.bytes));
        if (record->family == 0)
                (void)snprintf(ret, ENDPOINT_TEXT_MAX, "a request");
        else
                endpoint_format(
                        record->protocol, &address, record->port, v6only, ret, ENDPOINT_TEXT_MAX);
}

/* The rule alone says why when it decided; when the kernel refused, both have a part in it. */
static const char *describe_reason(struct entry *entry, const struct record *record) {
        bool by_kernel =
                record->reason == LOWPORT_BIND_FAILED || record->reason == LOWPORT_EXHAUSTED;
        const char *why = by_kernel ? strerror(record->error) : lowport_reason_text(record->reason);

        if ((record->flags & RECORD_NOT_BOUND) != 0)
                return put(entry, ": what was granted could not be bound: %s", why);
        if ((record->flags & RECORD_NOT_TAKEN) != 0)
                return put(entry, ": the client did not take it: %s", why);
        if (record->reason == LOWPORT_TIMED_OUT)
                return ": no request came in time";
        if (record->reason == LOWPORT_GRANTED || record->reason == LOWPORT_RULE_DENIES)
                return put(entry, " by %s:%u", record->path, record->line);
        if (record->line != 0)
                return put(entry, ": %s, allowed by %s:%u", why, record->path, record->line);
        return put(entry, ": %s", why);
}

static const char *
describe_peer(struct entry *entry, const struct record *record, const char *user) {
        const char *comma = record->unit[0] != '\0' ? ", " : "";

        if (user == NULL)
                return put(entry,
                           "uid %u (pid %d%s%s)",
                           record->uid,
                           record->pid,
                           comma,
                           record->unit);
        return put(entry,
                   "%s (uid %u, pid %d%s%s)",
                   user,
                   record->uid,
                   record->pid,
                   comma,
                   record->unit);
}

static void write_message(struct entry *entry, const struct record *record, const char *user) {
        struct verdict_words words = verdict_of(record);
        char endpoint[ENDPOINT_TEXT_MAX];
        const char *what = "", *why = describe_reason(entry, record), *unit = "";

        describe_endpoint(record, endpoint);
        if (record->kind == RECORD_CLOSED)
                (void)snprintf(endpoint, sizeof(endpoint), "a connection");
        if (record->operation == WIRE_CHECK)
                what = "check of ";
        if ((record->flags & RECORD_UNIT_UNKNOWN) != 0)
                unit = (record->flags & RECORD_PEER_ENDED) != 0
                               ? "; a rule hangs on its unit, but the process has ended"
                               : "; a rule hangs on its unit, which is unknown";

        FIELD(entry,
              "MESSAGE=%s %s%s %s %s%s%s",
              words.verb,
              what,
              endpoint,
              record->reason == LOWPORT_GRANTED ? "to" : "for",
              describe_peer(entry, record, user),
              why,
              unit);
}

static const char *operation_of(const struct record *record) {
        if (record->operation == WIRE_CHECK)
                return "check";
        return record->operation == WIRE_OWN ? "own" : "open";
}

/* What a program would ask for. */
static void write_fields(struct entry *entry, const struct record *record, const char *user) {
        struct verdict_words words = verdict_of(record);

        FIELD(entry, "PRIORITY=%d", words.priority);
        FIELD(entry, "MESSAGE_ID=%s", words.id);
        FIELD(entry, "LOWPORT_VERDICT=%s", words.verb);
        FIELD(entry, "LOWPORT_REASON=%s", lowport_reason_text(record->reason));
        FIELD(entry, "LOWPORT_OPERATION=%s", operation_of(record));
        FIELD(entry, "LOWPORT_UID=%u", record->uid);
        FIELD(entry, "LOWPORT_GID=%u", record->gid);
        FIELD(entry, "LOWPORT_PID=%d", record->pid);
        FIELD(entry,
              "LOWPORT_NETNS=%s",
              (record->flags & RECORD_OTHER_NETNS) != 0 ? "other" : "same");
        if (record->unit[0] != '\0')
                FIELD(entry, "LOWPORT_UNIT=%s", record->unit);
        FIELD(entry, "LOWPORT_ERRNO=%d", record->error);
        FIELD(entry, "LOWPORT_GENERATION=%u", record->generation);
        FIELD(entry, "LOWPORT_TIME_USEC=%llu", (unsigned long long)record->time);
        if (user != NULL)
                FIELD(entry, "LOWPORT_USER=%s", user);
        if (record->family != 0) {
                struct address address = { .family = record->family, .scope = record->scope };
                char text[64];

                memcpy(address.bytes, record->address, sizeof(address.bytes));
                endpoint_format_address(&address, text, sizeof(text));
                FIELD(entry, "LOWPORT_PROTOCOL=%s", endpoint_protocol(record->protocol));
                FIELD(entry, "LOWPORT_ADDRESS=%s", text);
                FIELD(entry, "LOWPORT_PORT=%u", record->port);
        }
        if (record->inode != 0)
                FIELD(entry, "LOWPORT_INODE=%llu", (unsigned long long)record->inode);
        if (record->line != 0) {
                FIELD(entry, "LOWPORT_RULE_FILE=%s", record->path);
                FIELD(entry, "LOWPORT_RULE_LINE=%u", record->line);
        }
}

static void write_notice(struct entry *entry, const struct record *record) {
        unsigned long long count = record->count;
        const char *id = id_lost;

        if (record->kind == RECORD_LOST) {
                FIELD(entry, "MESSAGE=%llu records lost: the queue was full", count);
        } else if (record->kind == RECORD_STUCK) {
                id = id_stuck;
                FIELD(entry,
                      "MESSAGE=worker %d is stuck in the kernel, and left behind; %llu such in all",
                      record->pid,
                      count);
        } else {
                id = id_died;
                FIELD(entry,
                      "MESSAGE=worker %d died of signal %llu (%s) while it served %s",
                      record->pid,
                      count,
                      strsignal((int)count),
                      record->uid == UINT32_MAX ? "nobody" : put(entry, "uid %u", record->uid));
                FIELD(entry, "LOWPORT_UID=%u", record->uid);
        }
        FIELD(entry, "PRIORITY=%d", LOG_WARNING);
        FIELD(entry, "MESSAGE_ID=%s", id);
        FIELD(entry, "LOWPORT_COUNT=%llu", count);
}

void entry_write(struct entry *entry, const struct record *record, const char *user, bool fields) {
        bool notice = record->kind >= RECORD_LOST;

        entry->used = 0;
        entry->n_fields = 0;
        if (notice)
                write_notice(entry, record);
        else
                write_message(entry, record, user);
        if (!notice && fields)
                write_fields(entry, record, user);
        entry->message = strchr(entry->fields[0], '=');
        entry->message = entry->message != NULL ? entry->message + 1 : "";
}
