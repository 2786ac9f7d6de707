/* SPDX-License-Identifier: MIT */
#pragma once

/* How a request failed, for people: what, why, and what to do. */

#include <lowport/lowport.h>

#include "cli/spec.h"

/* The exit status for a refusal or failure of this kind. */
int report_status(enum lowport_reason reason);

/* Says how the last call with `lp`, for `spec`, failed. */
void report_refusal(const struct lowport *lp, const struct spec *spec);

/* Says how binding without the daemon failed. */
void report_direct(const struct spec *spec, int error);

/* Says what can be done about it, if anything can. */
void report_hint(enum lowport_reason reason);
