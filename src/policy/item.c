/* SPDX-License-Identifier: MIT */
#include "policy/item.h"

#include "common/address.h"
#include "policy/place.h"
#include "policy/port.h"

static int check_family(struct parser *parser,
                        const struct protocols *protocols,
                        const struct token *token,
                        struct item *item) {
        bool v4 = item->family == ADDRESS_V4;
        struct text contradicts = v4 ? protocols->only6 : protocols->only4;

        if (item->family == 0)
                return 0;
        if (contradicts.at != NULL)
                return parser_fail(parser,
                                   token->column,
                                   "an %s address after '%.*s'; expected an %s address, or '%.*s'",
                                   v4 ? "IPv4" : "IPv6",
                                   TEXT(contradicts),
                                   v4 ? "IPv6" : "IPv4",
                                   TEXT(text_head(contradicts, contradicts.length - 1)));
        item->protocols &= v4 ? PROTOCOLS_V4 : PROTOCOLS_V6;
        return 0;
}

/* One item. `ret_place` is the address as written; at NULL: it has none. */
static int parse_item(struct parser *parser,
                      const struct protocols *protocols,
                      const struct token *token,
                      struct text *ret_place) {
        struct item item = { .column = token->column, .protocols = protocols->bits };
        struct text ports = { 0 };
        int r = place_parse(parser, token, &item, ret_place, &ports);

        if (r == 0)
                r = check_family(parser, protocols, token, &item);
        if (r < 0)
                return r;
        return port_parse(parser,
                          protocols,
                          &item,
                          ports,
                          token->column + (uint32_t)(ports.at - token->text.at));
}

/* `127.0.0.1:80,443` can be read in two ways. */
static int fail_ambiguous(struct parser *parser,
                          const struct token *before,
                          struct text place,
                          const struct token *token) {
        return parser_fail(parser,
                           token->column,
                           "'%.*s' after '%.*s' is ambiguous; expected '%.*s,%.*s:%.*s' for that "
                           "address, or '%.*s %.*s' for any",
                           TEXT(token->text),
                           TEXT(before->text),
                           TEXT(before->text),
                           TEXT(place),
                           TEXT(token->text),
                           TEXT(before->text),
                           TEXT(token->text));
}

static bool is_item(const struct token *token) {
        return token->kind == TOKEN_WORD && !protocols_is_word(token->text) &&
               !text_is(token->text, "netns");
}

static int fail_no_item(struct parser *parser, const struct token *token, bool comma) {
        if (token->kind == TOKEN_WORD && comma)
                return parser_fail(parser,
                                   token->column,
                                   "'%.*s' after a comma; expected a port (no comma before the "
                                   "next protocol)",
                                   TEXT(token->text));
        return parser_fail(parser, token->column, "no port; " PORT_EXPECTED);
}

int item_parse_list(struct parser *parser) {
        const struct token *next = &parser->lexer.next;
        struct token before = { 0 }; /* the last item with an address in this comma list */
        struct text before_place = { 0 };
        struct protocols protocols = { 0 };
        bool comma = false;
        int r = protocols_parse(parser, &protocols);

        if (r < 0)
                return r;
        do {
                struct token token = *next;
                struct text place = { 0 };

                if (!is_item(&token))
                        return fail_no_item(parser, &token, comma);
                lexer_take(&parser->lexer);
                r = parse_item(parser, &protocols, &token, &place);
                if (r < 0)
                        return r;
                if (place.at != NULL) {
                        before = token;
                        before_place = place;
                } else if (before_place.at != NULL) {
                        return fail_ambiguous(parser, &before, before_place, &token);
                }
                comma = next->kind == TOKEN_COMMA;
                if (comma)
                        lexer_take(&parser->lexer);
                else
                        before_place = (struct text){ 0 };
        } while (comma || is_item(next));
        return 0;
}
