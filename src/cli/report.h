/* SPDX-License-Identifier: MIT */
#pragma once

/* How a request failed, for people: what, why, and what to do. */

#include <lowport/lowport.h>
#include <stdbool.h>

#include "cli/spec.h"

/* The exit status for a refusal or failure of this kind. */
int report_status(enum lowport_reason reason);

/* Says how the last call with `lp`, for `spec`, failed. `own`: in own mode. */
void report_refusal(const struct lowport *lp, const struct spec *spec, bool own);

/* Says how something failed in this process itself, as "binding it directly". */
void report_failure(const struct spec *spec, const char *what, int error);

/* Says what can be done about it, if anything can. */
void report_hint(enum lowport_reason reason, bool own);
