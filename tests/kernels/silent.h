/* SPDX-License-Identifier: MIT */
#pragma once

/* A user's process that mounts a file system of its own, which does not answer where it hurts, and
 * attacks the daemon with files of it. What holds a process up this way holds it until the file system
 * ends, also after SIGKILL. */

#include <stdint.h>
#include <sys/types.h>

struct silent {
        pid_t pid;
        int line; /* to the attacker */
};

/* What an attacker says, a byte each. */
enum {
        SILENT_CONNECTED = 'x', /* and, in own mode, granted what it wants to be bound */
        SILENT_REFUSED = 'n',   /* own mode: it was not */
        SILENT_SENT = 's',
        SILENT_NOT_SENT = 'e', /* the kernel refused the descriptor: EPERM */
        SILENT_ANSWERED = 'a',
        SILENT_CLOSED = 'c',
};

/* Starts one that attacks that Unix socket, `many` times over, for that port. How:
 *
 *   flush    with a file that takes for ever to close, and that the attacker keeps
 *   dirty    with a file whose last reference nobody can drop
 *   check    the same, with CHECK, which takes none
 *   unread   the same, with a request that stays unread when the daemon closes the connection
 *   extra    the same, as one descriptor too many
 *   nested   the same, within a Unix socket that is sent
 *   sending  with a socket whose lock is held by sending from a page of such a file
 *   option   with one whose lock is held by setting an option so
 */
struct silent
silent_start(uid_t uid, const char *path, const char *how, uint16_t port, unsigned many);

/* Waits for what it says, and says whether it was this. */
void silent_says(const struct silent *silent, char wanted);
char silent_hear(const struct silent *silent);

/* Lets it attack. */
void silent_go(const struct silent *silent);

/* Ends it, and its file system. */
void silent_end(struct silent *silent);
