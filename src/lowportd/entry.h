/* SPDX-License-Identifier: MIT */
#pragma once

/* A log entry made from an audit record: a sentence for people, and fields for programs. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/record.h"

enum { ENTRY_FIELDS_MAX = 24, ENTRY_TEXT_MAX = 4096 };

/* What became of a request or a connection. */
enum verdict {
        VERDICT_GRANTED,
        VERDICT_DENIED,
        VERDICT_FAILED,
        VERDICT_LIMITED,
        VERDICT_MALFORMED,
        VERDICTS,
};

/* Records that were not written, by verdict: of one uid, of a block of them, or (0 to UINT32_MAX) of
 * any others. */
struct suppression {
        uint32_t first, last;
        uint32_t counts[VERDICTS];
};

struct entry {
        const char *message;                  /* one line, no newline */
        const char *details;                  /* the rest of that line where there are no fields */
        const char *fields[ENTRY_FIELDS_MAX]; /* "LOWPORT_UID=1001", MESSAGE= and PRIORITY= first */
        size_t n_fields;
        char text[ENTRY_TEXT_MAX]; /* where they all lie */
        size_t used;
};

/* Makes the bytes that a worker left fit to be written: texts end, and are of one line. False: it is
 * no record of a kind that there is. */
bool entry_admits(struct record *record);

enum verdict entry_verdict(const struct record *record);

/* Writes the entry of a record. `user` is the name of its uid, or NULL. Either `fields` are written,
 * or the same as details of the line. */
void entry_write(struct entry *entry, const struct record *record, const char *user, bool fields);

/* That so many records are lost, and why. */
void entry_write_lost(struct entry *entry, uint64_t count, const char *why);

/* How many records of whom were not written. */
void entry_write_suppressed(struct entry *entry,
                            const struct suppression *suppression,
                            const char *user);
