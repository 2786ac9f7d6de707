/* SPDX-License-Identifier: MIT */
#pragma once

/* What every child of the manager does first: takes a name by which ps(1) tells it, keeps one descriptor beside the standard ones (the
 * binder must see the manager's end of its control socket close with the manager), and gives up the
 * capability. Returns the descriptor; ends the process when anything fails. */
int child_begin(const char *name, int fd);
