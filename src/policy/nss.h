/* SPDX-License-Identifier: MIT */
#pragma once

/* The system's own names, through NSS. */

#include "policy/names.h"

extern const struct names_source nss_names;
