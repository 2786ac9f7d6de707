/* SPDX-License-Identifier: MIT */
#pragma once

/* The record of one decision, on its way to lowportd. */

#include "binder/board.h"
#include "binder/peer.h"

/* What is known of every record: when, who, where. */
struct record audit_begin(uint16_t kind, enum mode mode, const struct peer *peer);

void audit_request(struct record *record, const struct request *request);

/* Sends it. It never waits: a record that finds the pipe full is counted, and false returned. */
bool audit_send(struct board *board, int pipe, const struct record *record);
