/* SPDX-License-Identifier: MIT */
#pragma once

/* What the parts of the parser share: the file being read, and the rule that is growing. */

#include "policy/lexer.h"
#include "policy/names.h"
#include "policy/notice.h"
#include "policy/rule.h"

struct parser {
        struct policy *policy;
        struct names *names;
        struct notices *errors;
        const char *path;
        struct lexer lexer;
        struct rule rule;
};

/* Notes an error at a column of the present line, and returns -EBADMSG. */
int parser_fail(struct parser *parser, uint32_t column, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Notes that the system could not tell about a name, and returns `error`. */
int parser_fail_look_up(struct parser *parser,
                        uint32_t column,
                        const char *kind,
                        struct text name,
                        int error);
