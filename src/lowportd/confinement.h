/* SPDX-License-Identifier: MIT */
#pragma once

/* What lowportd and its children give up for good. A kernel that lacks something of it leaves the
 * rest; a call that fails otherwise is said, and the process goes on: it has no capability. */

#include "lowportd/listener.h"

/* The manager, once everything has been started and the capability is gone.
 * Should: start loaders, and remove the sockets that it made, at the end.
 * Mustn't: gain a privilege, start a program, bind a TCP port, or change any other file. */
void confinement_enter_manager(const struct listeners *listeners);

/* Loader, auditor, registrar.
 * Should: read files and names; these may come from a server, so that connections stay.
 * Mustn't: gain a privilege, change any file, start a program, bind a TCP port, signal others, or
 * leave a core. */
void confinement_enter_child(void);

/* The loader, on top of that. Should: compile a policy of a hundred thousand rules in a tenth of it.
 * Mustn't: compute for longer than it is waited for, or take the host's memory. */
void confinement_enter_loader(void);
