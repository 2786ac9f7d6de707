/* SPDX-License-Identifier: MIT */
#include "policy/parse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/item.h"
#include "policy/protocols.h"
#include "policy/who.h"

int parser_fail(struct parser *parser, uint32_t column, const char *format, ...) {
        char *text = NULL;
        va_list arguments;
        int n;

        va_start(arguments, format);
        n = vasprintf(&text, format, arguments);
        va_end(arguments);
        notices_add(parser->errors,
                    parser->path,
                    parser->lexer.number,
                    column,
                    "%s",
                    n < 0 ? "out of memory" : text);
        if (n >= 0)
                free(text);
        return -EBADMSG;
}

int parser_fail_look_up(struct parser *parser,
                        uint32_t column,
                        const char *kind,
                        struct text name,
                        int error) {
        parser_fail(parser,
                    column,
                    "cannot look up %s '%.*s': %s; expected an answer, or write the number",
                    kind,
                    TEXT(name),
                    strerror(-error));
        return error;
}

static int fail_line(struct parser *parser, int problem, uint32_t column) {
        switch (problem) {
        case LEXER_E_TOO_LONG:
                return parser_fail(parser,
                                   column,
                                   "the line is too long; expected at most %d bytes",
                                   LEXER_LINE_MAX);
        case LEXER_E_NOT_ASCII:
                return parser_fail(parser,
                                   column,
                                   "a byte that is not ASCII (a no-break space?); expected one "
                                   "only in comments");
        default:
                return parser_fail(parser, column, "a control byte; expected text");
        }
}

static int parse_what(struct parser *parser) {
        const struct token *next = &parser->lexer.next;
        int r;

        do {
                r = item_parse_list(parser);
        } while (r == 0 && next->kind == TOKEN_WORD && protocols_is_word(next->text));
        return r;
}

static int parse_netns(struct parser *parser) {
        struct token token = lexer_take(&parser->lexer);

        if (token.kind == TOKEN_END)
                return 0;
        /* What parse_what() left is `netns` or a stray comma. */
        if (token.kind == TOKEN_WORD && text_is(token.text, "netns")) {
                token = lexer_take(&parser->lexer);
                if (token.kind != TOKEN_WORD || !text_is(token.text, "any"))
                        return parser_fail(
                                parser, token.column, "no such netns; expected 'netns any'");
                parser->rule.netns_any = true;
                token = lexer_take(&parser->lexer);
        }
        if (token.kind != TOKEN_END)
                return parser_fail(parser,
                                   token.column,
                                   "'%.*s' after the end of the rule; expected nothing more",
                                   TEXT(token.text));
        return 0;
}

static int parse_rule(struct parser *parser, uint32_t file) {
        struct token action = lexer_take(&parser->lexer);
        struct rule *rule = &parser->rule;
        int r;

        if (!text_is(action.text, "allow") && !text_is(action.text, "deny"))
                return parser_fail(parser,
                                   action.column,
                                   "unknown action '%.*s'; expected allow or deny",
                                   TEXT(action.text));
        *rule = (struct rule){
                .allow = text_is(action.text, "allow"),
                .file = file,
                .line = parser->lexer.number,
                .column = action.column,
                .text = text_tail(parser->lexer.line, action.column - 1),
                .first_group = (uint32_t)parser->policy->n_groups,
                .first_item = (uint32_t)parser->policy->n_items,
        };
        r = who_parse(parser);
        if (r == 0)
                r = parse_what(parser);
        if (r == 0)
                r = parse_netns(parser);
        return r < 0 ? r : policy_add_rule(parser->policy, rule);
}

int parse_file(struct policy *policy, uint32_t file, struct names *names, struct notices *errors) {
        const struct policy_file *source = &policy->files[file];
        struct parser parser = {
                .policy = policy,
                .names = names,
                .errors = errors,
                .path = source->path,
        };
        uint32_t column = 0;

        lexer_init(&parser.lexer, (struct text){ source->text, source->size });
        for (;;) {
                int r = lexer_next_line(&parser.lexer, &column);

                if (r == LEXER_E_END)
                        return 0;
                if (r > 0)
                        return fail_line(&parser, r, column);
                if (parser.lexer.next.kind == TOKEN_END)
                        continue; /* blank, or a comment */
                r = parse_rule(&parser, file);
                if (r < 0)
                        return r;
        }
}
