/* SPDX-License-Identifier: MIT */
#pragma once

/* Lines, and the words and commas in a line. */

#include "policy/text.h"

enum { LEXER_LINE_MAX = 8192 };

enum {
        LEXER_E_END = 1,   /* no further line */
        LEXER_E_TOO_LONG,  /* more than LEXER_LINE_MAX bytes */
        LEXER_E_CONTROL,   /* a control byte: NUL, an escape, a lone carriage return */
        LEXER_E_NOT_ASCII, /* outside a comment; a no-break space, typically */
};

enum token_kind {
        TOKEN_END,
        TOKEN_WORD,
        TOKEN_COMMA,
};

struct token {
        enum token_kind kind;
        uint32_t column;
        struct text text;
};

struct lexer {
        struct text rest;  /* of the file */
        struct text line;  /* the present one, without comment and trailing blanks */
        uint32_t number;   /* its number */
        size_t at;         /* in line */
        struct token next; /* the token that comes next */
};

void lexer_init(struct lexer *lexer, struct text file);

/* Goes to the next line. Returns 0, or LEXER_E_…; `ret_column` then says where. */
int lexer_next_line(struct lexer *lexer, uint32_t *ret_column);

/* Takes a token; `lexer->next` shows it before. TOKEN_END stays. */
struct token lexer_take(struct lexer *lexer);
