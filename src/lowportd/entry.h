/* SPDX-License-Identifier: MIT */
#pragma once

/* A log entry made from an audit record: a sentence for people, and fields for programs. */

#include <stdbool.h>
#include <stddef.h>

#include "common/record.h"

enum { ENTRY_FIELDS_MAX = 24, ENTRY_TEXT_MAX = 4096 };

struct entry {
        const char *message;                  /* one line, no newline */
        const char *fields[ENTRY_FIELDS_MAX]; /* "LOWPORT_UID=1001", MESSAGE= and PRIORITY= first */
        size_t n_fields;
        char text[ENTRY_TEXT_MAX]; /* where they all lie */
        size_t used;
};

/* Makes the bytes that a worker left fit to be written: texts end, and are of one line. False: it is
 * no record of a kind that there is. */
bool entry_admits(struct record *record);

/* Writes the entry of a record. `user` is the name of its uid, or NULL. Without `fields` there is no
 * more than the message: most of the work is in the others. */
void entry_write(struct entry *entry, const struct record *record, const char *user, bool fields);
