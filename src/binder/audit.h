/* SPDX-License-Identifier: MIT */
#pragma once

/* The record of one decision, on its way from the worker's slot to lowportd. */

#include "binder/board.h"
#include "binder/peer.h"

/* Starts the slot's record for a request of `peer`. */
struct record *audit_begin(struct slot *slot, uint16_t kind, const struct peer *peer);

void audit_request(struct record *record, const struct request *request);

/* From here on the record is sent by whoever lives: the worker, or the parent after its death. */
void audit_commit(struct slot *slot);

/* Sends a committed record. It never waits: a record that finds the pipe full is counted. Returns
 * false then. */
bool audit_send(struct board *board, struct slot *slot, int pipe);

/* Copies a policy file's name; of one that is too long the end is kept, behind "...". */
void audit_copy_path(char *ret, size_t size, const char *path);
