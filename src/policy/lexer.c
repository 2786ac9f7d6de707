/* SPDX-License-Identifier: MIT */
#include "policy/lexer.h"

#include <string.h>

static bool is_blank(char byte) {
        return byte == ' ' || byte == '\t';
}

/* Finds the next token from lexer->at on. */
static void find_next(struct lexer *lexer) {
        struct text line = lexer->line;
        size_t from = lexer->at, to;

        while (from < line.length && is_blank(line.at[from]))
                from++;
        to = from;
        if (to == line.length) {
                lexer->next.kind = TOKEN_END;
        } else if (line.at[to] == ',') {
                lexer->next.kind = TOKEN_COMMA;
                to++;
        } else {
                lexer->next.kind = TOKEN_WORD;
                while (to < line.length && !is_blank(line.at[to]) && line.at[to] != ',')
                        to++;
        }
        lexer->next.column = (uint32_t)from + 1;
        lexer->next.text = (struct text){ line.at + from, to - from };
        lexer->at = to;
}

/* Looks for bytes that no policy has. Returns 0 or LEXER_E_…. */
static int check_bytes(struct text line, uint32_t *ret_column) {
        bool comment = false;

        for (size_t i = 0; i < line.length; i++) {
                unsigned char byte = (unsigned char)line.at[i];

                *ret_column = (uint32_t)i + 1;
                if (byte == '#')
                        comment = true;
                if ((byte < ' ' && byte != '\t') || byte == 0x7f)
                        return LEXER_E_CONTROL;
                if (byte > 0x7f && !comment)
                        return LEXER_E_NOT_ASCII;
        }
        return 0;
}

void lexer_init(struct lexer *lexer, struct text file) {
        *lexer = (struct lexer){ .rest = file };
}

int lexer_next_line(struct lexer *lexer, uint32_t *ret_column) {
        struct text line, rest = lexer->rest;
        const char *newline;
        int r;

        if (rest.length == 0)
                return LEXER_E_END;
        newline = memchr(rest.at, '\n', rest.length);
        line = text_head(rest, newline != NULL ? (size_t)(newline - rest.at) : rest.length);
        lexer->rest = text_tail(rest, line.length + (newline != NULL));
        lexer->number++;

        if (newline != NULL && line.length > 0 && line.at[line.length - 1] == '\r')
                line.length--; /* CRLF */
        if (line.length > LEXER_LINE_MAX) {
                *ret_column = LEXER_LINE_MAX + 1;
                return LEXER_E_TOO_LONG;
        }
        r = check_bytes(line, ret_column);
        if (r != 0)
                return r;

        line = text_head(line, text_find(line, '#'));
        while (line.length > 0 && is_blank(line.at[line.length - 1]))
                line.length--;
        lexer->line = line;
        lexer->at = 0;
        find_next(lexer);
        return 0;
}

struct token lexer_take(struct lexer *lexer) {
        struct token token = lexer->next;

        if (token.kind != TOKEN_END)
                find_next(lexer);
        return token;
}
