/* SPDX-License-Identifier: MIT */
#pragma once

/* What `--env VAR=TEMPLATE` makes of the descriptors:
 *
 *     {fd}       the first one                     3
 *     {fd:NAME}  the one of that name              4
 *     {fd;}      each, followed by that character  3;4;
 *     {fd,fd}    all, with that character between  3,4
 *     {{         a brace                           {
 *
 * The character is any printable one of ASCII but a letter, a digit, ':', '{' and '}'. */

#include <stddef.h>

struct handed {
        int fd;
        const char *name;
};

/* Returns 0 and the text, which the caller frees; -EINVAL with what is wrong in `error`; or
 * -ENOMEM. `n` is 1 or more. */
int template_expand(const char *text,
                    const struct handed *handed,
                    size_t n,
                    char **ret,
                    char *error,
                    size_t error_size);
