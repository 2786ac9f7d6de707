/* SPDX-License-Identifier: MIT */
#pragma once

/* The reasons of replies, those that travel in the protocol. */

#include "binder/board.h"

/* What the errno of socket(2), bind(2), listen(2) or sendmsg(2) means for the client. */
enum lowport_reason reason_of_error(int error);

/* The errno that goes with a reason where no system call gave one. */
int reason_error(enum lowport_reason reason);

/* As what a request that ends so is counted. */
enum outcome reason_outcome(enum lowport_reason reason);
