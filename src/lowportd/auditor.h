/* SPDX-License-Identifier: MIT */
#pragma once

/* The auditor: a child of the manager that turns the binder's records into log entries. It is a
 * process of its own, since a journal that does not read and a name service that does not answer
 * make it wait, and neither the manager nor a client may wait with it. */

#include <sys/types.h>

#include "lowportd/options.h"

/* What an auditor that is killed leaves to the next: the records in its hand, the count of those it
 * has not written and not told of yet, who has used up how much. */
struct audit;

/* Makes that memory; NULL with errno. */
struct audit *auditor_prepare(const struct options *options);

/* Starts an auditor on the reading end of the binder's pipe; it ends when the last writer has.
 * Returns its pid or a negative errno. */
pid_t auditor_start(struct audit *audit, int records);

/* Tells it that nothing more will come, although a writer may be left: a worker that is stuck in
 * the kernel. It writes what there is and ends. */
void auditor_finish(pid_t auditor, int records);
