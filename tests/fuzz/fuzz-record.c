/* SPDX-License-Identifier: MIT */
/* A record as a worker gone bad writes it into the pipe: any 256 bytes. */
#include <stdlib.h>
#include <string.h>

#include "lowportd/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text that ends, within the entry's own memory; or one that says nothing, where that is full. */
static void check_text(const struct entry *entry, const char *text) {
        bool inside = text >= entry->text && text < entry->text + sizeof(entry->text);

        if (inside &&
            memchr(text, '\0', (size_t)(entry->text + sizeof(entry->text) - text)) == NULL)
                abort();
        if (!inside && *text != '\0')
                abort();
        for (; *text != '\0'; text++)
                if ((unsigned char)*text < ' ')
                        abort(); /* it would be a line of its own, or speak to a terminal */
}

static void check(const struct entry *entry) {
        if (entry->n_fields == 0 || entry->n_fields > ENTRY_FIELDS_MAX ||
            entry->used > sizeof(entry->text))
                abort();
        for (size_t i = 0; i < entry->n_fields; i++)
                check_text(entry, entry->fields[i]);
        check_text(entry, entry->message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct entry entry;
        struct record record = { 0 };

        memcpy(&record, data, size < sizeof(record) ? size : sizeof(record));
        /* As the auditor reads it. */
        record.path[sizeof(record.path) - 1] = '\0';
        record.unit[sizeof(record.unit) - 1] = '\0';
        if (record.kind < RECORD_REQUEST || record.kind > RECORD_DIED)
                return 0;
        entry_write(&entry, &record, NULL, true);
        check(&entry);
        entry_write(&entry, &record, "somebody", false);
        check(&entry);
        return 0;
}
