/* SPDX-License-Identifier: MIT */
#include "policy/who.h"

#include <errno.h>
#include <string.h>

enum {
        UNIT_LENGTH_MAX = 255, /* as systemd has it */
        ID_MAX = UINT32_MAX - 1U,
};

/* The word after `user`, `group` or `unit`. */
static int take_value(struct parser *parser, const char *expected, struct token *ret) {
        struct token token = lexer_take(&parser->lexer);

        if (token.kind != TOKEN_WORD)
                return parser_fail(parser, token.column, "nothing here; expected %s", expected);
        *ret = token;
        return 0;
}

/* An id as a number, or by its name. Returns 0, NAMES_E_UNKNOWN, or a negative errno. */
static int parse_id(struct parser *parser,
                    const struct token *token,
                    const char *kind,
                    int (*look_up)(struct names *names, const char *name, uint32_t *ret),
                    uint32_t *ret) {
        char name[256];
        int r = text_to_number(token->text, ID_MAX, ret);

        if (r == TEXT_E_RANGE)
                return parser_fail(parser,
                                   token->column,
                                   "%s %.*s is out of range; expected 0 to %u",
                                   kind,
                                   TEXT(token->text),
                                   (unsigned)ID_MAX);
        if (r == TEXT_E_LEADING_ZERO)
                return parser_fail(parser,
                                   token->column,
                                   "%s '%.*s' has a leading zero; expected a decimal number",
                                   kind,
                                   TEXT(token->text));
        if (r == 0)
                return 0;
        if (!text_copy(token->text, name, sizeof(name)))
                return NAMES_E_UNKNOWN;
        r = look_up(parser->names, name, ret);
        return r < 0 ? parser_fail_look_up(parser, token->column, kind, token->text, r) : r;
}

/* An allow rule for a name that does not exist grants nothing, which is safe; a deny rule would
 * forbid nothing, which is not. */
static int fail_unknown(struct parser *parser, const struct token *token, const char *kind) {
        bool user = strcmp(kind, "user") == 0;

        if (parser->rule.allow)
                return 0;
        return parser_fail(parser,
                           token->column,
                           "unknown %s '%.*s'; expected a name that getent %s knows, or a %s",
                           kind,
                           TEXT(token->text),
                           user ? "passwd" : "group",
                           user ? "uid" : "gid");
}

static int parse_user(struct parser *parser, uint32_t column) {
        struct rule *rule = &parser->rule;
        struct token token = { 0 };
        int r = take_value(parser, "a user name or a uid", &token);

        if (r < 0)
                return r;
        if (rule->user.at != NULL)
                return parser_fail(parser,
                                   column,
                                   "a second user, and nobody is both; expected a rule for each");
        rule->user = token.text;
        rule->user_column = token.column;
        r = parse_id(parser, &token, "user", names_user, &rule->uid);
        rule->user_known = r == 0;
        return r > 0 ? fail_unknown(parser, &token, "user") : r;
}

static int parse_group(struct parser *parser) {
        struct rule_group group = { 0 };
        struct token token = { 0 };
        int r = take_value(parser, "a group name or a gid", &token);

        if (r < 0)
                return r;
        r = parse_id(parser, &token, "group", names_group, &group.gid);
        group.name = token.text;
        group.column = token.column;
        group.known = r == 0;
        if (r > 0)
                r = fail_unknown(parser, &token, "group");
        if (r == 0)
                r = policy_add_group(parser->policy, &group);
        if (r == 0)
                parser->rule.n_groups++;
        return r;
}

static bool has_unit_suffix(struct text unit) {
        static const char *const suffixes[] = { ".service", ".scope", ".socket",
                                                ".slice",   ".mount", ".swap" };

        for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
                if (text_ends_with(unit, suffixes[i]))
                        return true;
        return text_ends_with(unit, "*");
}

static int parse_unit(struct parser *parser, uint32_t column) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789:-_.\\@*";
        struct rule *rule = &parser->rule;
        struct token token = { 0 };
        int r = take_value(parser, "a unit such as nginx.service, or a glob with '*'", &token);

        if (r < 0)
                return r;
        if (rule->unit.at != NULL)
                return parser_fail(parser, column, "a second unit; expected a rule for each");
        if (token.text.length > UNIT_LENGTH_MAX || !text_all_of(token.text, allowed))
                return parser_fail(parser,
                                   token.column,
                                   "'%.*s' is no unit name; expected letters, digits, "
                                   "':', '-', '_', '.', '\\', '@' and '*'",
                                   TEXT(token.text));
        if (!has_unit_suffix(token.text))
                return parser_fail(parser,
                                   token.column,
                                   "unit '%.*s' has no suffix; expected %.*s.service, say",
                                   TEXT(token.text),
                                   TEXT(token.text));
        rule->unit = token.text;
        rule->unit_column = token.column;
        return 0;
}

static int parse_condition(struct parser *parser, const struct token *keyword) {
        if (text_is(keyword->text, "user"))
                return parse_user(parser, keyword->column);
        if (text_is(keyword->text, "group"))
                return parse_group(parser);
        if (text_is(keyword->text, "unit"))
                return parse_unit(parser, keyword->column);
        if (parser->rule.anyone)
                return parser_fail(
                        parser, keyword->column, "a second 'anyone'; expected a protocol");
        parser->rule.anyone = true;
        parser->rule.anyone_column = keyword->column;
        return 0;
}

static bool is_condition(const struct token *token) {
        return token->kind == TOKEN_WORD &&
               (text_is(token->text, "user") || text_is(token->text, "group") ||
                text_is(token->text, "unit") || text_is(token->text, "anyone"));
}

int who_parse(struct parser *parser) {
        struct rule *rule = &parser->rule;
        struct token *next = &parser->lexer.next;

        if (!is_condition(next))
                return parser_fail(parser,
                                   next->column,
                                   "nothing says who; expected user, group, unit or anyone");
        while (is_condition(next)) {
                struct token keyword = lexer_take(&parser->lexer);
                int r = parse_condition(parser, &keyword);

                if (r < 0)
                        return r;
                if (next->kind == TOKEN_COMMA)
                        return parser_fail(parser,
                                           next->column,
                                           "a comma; expected one name (conditions in one rule "
                                           "must all hold; write a rule for each)");
                if (rule->anyone && (rule->user.at != NULL || rule->n_groups > 0))
                        return parser_fail(parser,
                                           keyword.column,
                                           "anyone beside a user or group; expected one of them");
        }
        return 0;
}
