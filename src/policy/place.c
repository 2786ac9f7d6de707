/* SPDX-License-Identifier: MIT */
#include "policy/place.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/address.h"

/* An address, its prefix length and its ports as written; at NULL where it is not there. */
struct split {
        struct text place, address, length, ports;
        bool v6;
};

static uint32_t column_of(const struct token *token, struct text part) {
        return token->column + (uint32_t)(part.at - token->text.at);
}

/* "10.0.0.0/8" into address and length. */
static void split_length(struct text text, struct split *split) {
        size_t slash = text_find(text, '/');

        split->address = text_head(text, slash);
        if (slash < text.length)
                split->length = text_tail(text, slash + 1);
}

static int split_v6(struct parser *parser, const struct token *token, struct split *split) {
        struct text word = token->text;
        size_t close = text_find(word, ']');
        struct text rest = text_tail(word, close + 1);

        if (close == word.length)
                return parser_fail(
                        parser, token->column, "'[' without ']'; expected [ADDRESS]:PORT");
        split->v6 = true;
        split_length(text_tail(text_head(word, close), 1), split);
        if (rest.length > 0 && rest.at[0] == '/') {
                struct text length = text_tail(text_head(rest, text_find(rest, ':')), 1);

                if (split->length.at != NULL)
                        return parser_fail(parser,
                                           column_of(token, length),
                                           "a second prefix length; expected ':' and a port");
                split->length = length;
                rest = text_tail(rest, length.length + 1);
        }
        split->place = text_head(word, (size_t)(rest.at - word.at));
        if (rest.length == 0)
                return parser_fail(parser,
                                   column_of(token, rest),
                                   "no port after '%.*s'; expected %.*s:PORT",
                                   TEXT(split->place),
                                   TEXT(split->place));
        if (rest.at[0] != ':')
                return parser_fail(parser,
                                   column_of(token, rest),
                                   "'%.*s' after ']'; expected ':' and a port",
                                   TEXT(rest));
        split->ports = text_tail(rest, 1);
        return 0;
}

static int split_v4(struct parser *parser, const struct token *token, struct split *split) {
        struct text word = token->text;
        size_t colon = text_find(word, ':');

        if (colon == word.length) {
                split->ports = word;
                if (text_find(word, '.') == word.length || !text_all_of(word, "0123456789./"))
                        return 0;
                return parser_fail(parser,
                                   token->column,
                                   "no port after '%.*s'; expected %.*s:PORT",
                                   TEXT(word),
                                   TEXT(word));
        }
        split->ports = text_tail(word, colon + 1);
        if (text_find(split->ports, ':') < split->ports.length)
                return parser_fail(parser,
                                   token->column,
                                   "an IPv6 address without brackets; expected [ADDRESS]:PORT");
        split->place = text_head(word, colon);
        split_length(split->place, split);
        return 0;
}

static int parse_address(struct parser *parser,
                         const struct token *token,
                         struct split *split,
                         struct item *item) {
        uint32_t column = column_of(token, split->address);
        char buffer[INET6_ADDRSTRLEN];
        size_t zone = text_find(split->address, '%');

        if (zone < split->address.length)
                return parser_fail(parser,
                                   column + (uint32_t)zone,
                                   "a zone, but a rule holds on every interface; expected the "
                                   "address without '%.*s'",
                                   TEXT(text_tail(split->address, zone)));
        if (text_copy(split->address, buffer, sizeof(buffer)) &&
            inet_pton(split->v6 ? AF_INET6 : AF_INET, buffer, item->address) == 1)
                return 0;
        if (split->v6)
                return parser_fail(parser,
                                   column,
                                   "'%.*s' is not an IPv6 address; expected one like [2001:db8::1]",
                                   TEXT(split->address));
        return parser_fail(parser,
                           column,
                           "'%.*s' is not an IPv4 address; expected one like 192.0.2.1, or "
                           "[IPV6], or none, which means any (host names are not looked up)",
                           TEXT(split->address));
}

static int parse_length(struct parser *parser,
                        const struct token *token,
                        struct text length,
                        struct item *item) {
        uint32_t max = item->family == ADDRESS_V4 ? 32 : 128, number = max;

        if (length.at != NULL && text_to_number(length, max, &number) != 0)
                return parser_fail(parser,
                                   column_of(token, length),
                                   "'%.*s' is not a prefix length; expected 0 to %u",
                                   TEXT(length),
                                   max);
        item->prefix_length = (uint8_t)number;
        return 0;
}

/* An IPv4-mapped address or prefix is IPv4. */
static int normalise(struct parser *parser, uint32_t column, struct item *item) {
        struct address address = { .family = item->family };

        memcpy(address.bytes, item->address, sizeof(address.bytes));
        address_normalise(&address);
        if (address.family == item->family)
                return 0;
        if (item->prefix_length < 96)
                return parser_fail(parser,
                                   column,
                                   "an IPv4-mapped prefix shorter than /96 is neither IPv4 nor "
                                   "IPv6; expected an IPv4 prefix");
        item->family = address.family;
        item->prefix_length = (uint8_t)(item->prefix_length - 96);
        memcpy(item->address, address.bytes, sizeof(item->address));
        return 0;
}

static int check_host_bits(struct parser *parser, uint32_t column, const struct item *item) {
        bool v4 = item->family == ADDRESS_V4;
        uint8_t network[16] = { 0 };
        char text[INET6_ADDRSTRLEN] = "";

        for (unsigned bit = 0; bit < item->prefix_length; bit++)
                network[bit / 8] =
                        (uint8_t)(network[bit / 8] | (item->address[bit / 8] & 0x80U >> bit % 8));
        if (memcmp(network, item->address, sizeof(network)) == 0)
                return 0;
        inet_ntop(v4 ? AF_INET : AF_INET6, network, text, sizeof(text));
        return parser_fail(parser,
                           column,
                           "the address has bits beyond the prefix; expected %s%s%s/%u",
                           v4 ? "" : "[",
                           text,
                           v4 ? "" : "]",
                           item->prefix_length);
}

int place_parse(struct parser *parser,
                const struct token *token,
                struct item *item,
                struct text *ret_place,
                struct text *ret_ports) {
        struct split split = { 0 };
        int r;

        if (token->text.at[0] == '[')
                r = split_v6(parser, token, &split);
        else
                r = split_v4(parser, token, &split);
        if (r < 0)
                return r;
        if (split.place.at != NULL) {
                uint32_t column = column_of(token, split.place);

                item->family = split.v6 ? ADDRESS_V6 : ADDRESS_V4;
                r = parse_address(parser, token, &split, item);
                if (r == 0)
                        r = parse_length(parser, token, split.length, item);
                if (r == 0)
                        r = normalise(parser, column, item);
                if (r == 0)
                        r = check_host_bits(parser, column, item);
                if (r < 0)
                        return r;
        }
        *ret_place = split.place;
        *ret_ports = split.ports;
        return 0;
}
