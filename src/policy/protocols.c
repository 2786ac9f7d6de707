/* SPDX-License-Identifier: MIT */
#include "policy/protocols.h"

#define EXPECTED_PROTOCOL "expected tcp, tcp4, tcp6, udp, udp4, udp6, sctp or any"

static const struct {
        const char *word;
        uint8_t bits;
} protocol_words[] = {
        { "tcp", PROTOCOLS_TCP },   { "tcp4", PROTOCOL_TCP4 },
        { "tcp6", PROTOCOL_TCP6 },  { "udp", PROTOCOLS_UDP },
        { "udp4", PROTOCOL_UDP4 },  { "udp6", PROTOCOL_UDP6 },
        { "sctp", PROTOCOLS_SCTP }, { "any", PROTOCOLS_TCP | PROTOCOLS_UDP | PROTOCOLS_SCTP },
};

static uint8_t protocol_bits(struct text word) {
        for (size_t i = 0; i < sizeof(protocol_words) / sizeof(*protocol_words); i++)
                if (text_is(word, protocol_words[i].word))
                        return protocol_words[i].bits;
        return 0;
}

bool protocols_is_word(struct text word) {
        return protocol_bits(word) != 0;
}

int protocols_parse(struct parser *parser, struct protocols *ret) {
        struct protocols protocols = { 0 };

        for (;;) {
                struct token token = lexer_take(&parser->lexer);
                uint8_t bits = protocol_bits(token.text);

                if (token.kind != TOKEN_WORD)
                        return parser_fail(parser, token.column, "no protocol; " EXPECTED_PROTOCOL);
                if (bits == 0)
                        return parser_fail(parser,
                                           token.column,
                                           "unknown protocol '%.*s'; " EXPECTED_PROTOCOL,
                                           TEXT(token.text));
                protocols.bits |= bits;
                if (!text_is(token.text, "any"))
                        protocols.named |= bits;
                if ((bits & PROTOCOLS_V6) == 0)
                        protocols.only4 = token.text;
                if ((bits & PROTOCOLS_V4) == 0)
                        protocols.only6 = token.text;
                if (parser->lexer.next.kind != TOKEN_COMMA)
                        break;
                lexer_take(&parser->lexer);
        }
        *ret = protocols;
        return 0;
}
