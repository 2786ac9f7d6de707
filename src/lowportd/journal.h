/* SPDX-License-Identifier: MIT */
#pragma once

/* The systemd journal, for structured entries. Without libsystemd, journal-none.c says that there
 * is none. */

#include <stdbool.h>

#include "lowportd/entry.h"

/* True when entries should go to the journal: it is what standard error leads to, too. */
bool journal_present(void);

/* Sends the entry. It may wait for a journal that does not read. Returns 0 or a negative errno. */
int journal_send(const struct entry *entry);
