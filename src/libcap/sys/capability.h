/* SPDX-License-Identifier: MIT */
#pragma once

/* As much of libcap as Lowport uses, straight on the kernel's calls: for programs linked with a C
 * library that no libcap was built for (LOWPORT_LIBCAP=OFF). Names, arguments and results are those
 * of cap_init(3) and its pages, so that no caller knows the difference. */

#include <linux/capability.h>

typedef int cap_value_t;
typedef struct capability_sets *cap_t;
typedef enum { CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE } cap_flag_t;
typedef enum { CAP_CLEAR, CAP_SET } cap_flag_value_t;

cap_t cap_init(void);
cap_t cap_get_proc(void);
int cap_free(void *set); /* unlike libcap's, it knows no text */
int cap_set_proc(cap_t set);

int cap_get_flag(cap_t set, cap_value_t value, cap_flag_t flag, cap_flag_value_t *ret_raised);
int cap_set_flag(cap_t set,
                 cap_flag_t flag,
                 int n_values,
                 const cap_value_t *values,
                 cap_flag_value_t raise);

int cap_get_bound(cap_value_t value);
int cap_drop_bound(cap_value_t value);
int cap_set_ambient(cap_value_t value, cap_flag_value_t raise);
int cap_reset_ambient(void);
int cap_set_secbits(unsigned bits);
