/* SPDX-License-Identifier: MIT */
/* What a worker gone bad may leave in the pipe of audit records. */
#include <stdlib.h>
#include <string.h>

#include "lowportd/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One line, whoever chose the words. */
static void check_line(const char *text) {
        for (; *text != '\0'; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        abort();
}

static void check(const struct entry *entry, bool fields) {
        if (entry->n_fields == 0 || entry->n_fields > ENTRY_FIELDS_MAX || entry->message[0] == '\0')
                abort();
        if (!fields && entry->n_fields > 5) /* a notice has a few */
                abort();
        for (size_t i = 0; i < entry->n_fields; i++) {
                if (strchr(entry->fields[i], '=') == NULL)
                        abort();
                check_line(entry->fields[i]);
        }
        check_line(entry->message);
        check_line(entry->details);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct entry *entry = malloc(sizeof(*entry));
        struct record *record =
                malloc(sizeof(*record)); /* exact, so that a sanitizer sees its end */

        if (entry == NULL || record == NULL)
                abort();
        for (; size >= sizeof(*record); data += sizeof(*record), size -= sizeof(*record)) {
                memcpy(record, data, sizeof(*record));
                if (!entry_admits(record))
                        continue;
                entry_write(entry, record, NULL, false);
                check(entry, false);
                entry_write(entry, record, "somebody", true);
                check(entry, true);
        }
        free(record);
        free(entry);
        return 0;
}
