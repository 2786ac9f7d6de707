/* SPDX-License-Identifier: MIT */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include "lowportd/journal.h"

#include <stdint.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "lowportd/log.h"

bool journal_present(void) {
        return log_is_journal();
}

int journal_send(const struct entry *entry) {
        struct iovec fields[ENTRY_FIELDS_MAX + 1];
        int n = 0;

        for (size_t i = 0; i < entry->n_fields; i++)
                fields[n++] = (struct iovec){
                        .iov_base = (void *)(uintptr_t)entry->fields[i],
                        .iov_len = strlen(entry->fields[i]),
                };
        fields[n++] = (struct iovec){
                .iov_base = (void *)(uintptr_t) "SYSLOG_IDENTIFIER=lowportd",
                .iov_len = sizeof("SYSLOG_IDENTIFIER=lowportd") - 1,
        };
        return sd_journal_sendv(fields, n);
}
