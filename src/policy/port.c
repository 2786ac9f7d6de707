/* SPDX-License-Identifier: MIT */
#include "policy/port.h"

#include <errno.h>

static const struct {
        const char *name;
        uint8_t bits;
} transports[] = { { "tcp", PROTOCOLS_TCP }, { "udp", PROTOCOLS_UDP }, { "sctp", PROTOCOLS_SCTP } };

enum { N_TRANSPORTS = sizeof(transports) / sizeof(*transports) };

static int add_item(struct parser *parser, const struct item *item) {
        int r = policy_add_item(parser->policy, item);

        if (r == 0)
                parser->rule.n_items++;
        return r;
}

static int parse_port(struct parser *parser, struct text text, uint32_t column, uint16_t *ret) {
        uint32_t port = 0;

        switch (text_to_number(text, UINT16_MAX, &port)) {
        case 0:
                break;
        case TEXT_E_LEADING_ZERO:
                return parser_fail(parser,
                                   column,
                                   "port '%.*s' has a leading zero; expected 1 to 65535",
                                   TEXT(text));
        case TEXT_E_RANGE:
                return parser_fail(parser,
                                   column,
                                   "port %.*s is out of range; expected 1 to 65535",
                                   TEXT(text));
        default:
                return parser_fail(parser,
                                   column,
                                   "a range with an end missing, or with too many; expected "
                                   "LOW-HIGH");
        }
        if (port == 0)
                return parser_fail(parser, column, "port 0 is never granted; expected 1 to 65535");
        *ret = (uint16_t)port;
        return 0;
}

static int add_range(struct parser *parser, struct item item, struct text ports, uint32_t column) {
        size_t dash = text_find(ports, '-');
        int r = parse_port(parser, text_head(ports, dash), column, &item.low);

        if (r < 0)
                return r;
        item.high = item.low;
        if (dash < ports.length)
                r = parse_port(parser,
                               text_tail(ports, dash + 1),
                               column + (uint32_t)dash + 1,
                               &item.high);
        if (r < 0)
                return r;
        if (item.low > item.high)
                return parser_fail(parser,
                                   column,
                                   "the range %u-%u is reversed; expected %u-%u",
                                   item.low,
                                   item.high,
                                   item.high,
                                   item.low);
        return add_item(parser, &item);
}

/* What the services database says of `name` in each protocol; 0 where there is no such service. */
static int look_up_service(struct parser *parser,
                           const struct protocols *protocols,
                           uint8_t bits,
                           struct text name,
                           uint32_t column,
                           uint32_t ports[static N_TRANSPORTS]) {
        char buffer[256];
        bool fits = text_copy(name, buffer, sizeof(buffer));

        for (size_t i = 0; i < N_TRANSPORTS; i++) {
                int r = NAMES_E_UNKNOWN;

                if ((bits & transports[i].bits) == 0)
                        continue;
                if (fits)
                        r = names_service(parser->names, buffer, transports[i].name, &ports[i]);
                if (r < 0)
                        return parser_fail_look_up(parser, column, "service", name, r);
                if (r == NAMES_E_NO_DATABASE)
                        return parser_fail(parser,
                                           column,
                                           "service '%.*s' cannot be looked up, this machine has "
                                           "no /etc/services; write the number",
                                           TEXT(name));
                if ((r == NAMES_E_UNKNOWN || ports[i] == 0) &&
                    (protocols->named & transports[i].bits) != 0)
                        return parser_fail(parser,
                                           column,
                                           "unknown service '%.*s' in %s; " PORT_EXPECTED,
                                           TEXT(name),
                                           transports[i].name);
        }
        return 0;
}

/* One item for each port that the name has; mostly it has the same in all protocols. */
static int add_service(struct parser *parser,
                       const struct protocols *protocols,
                       const struct item *item,
                       struct text name,
                       uint32_t column) {
        uint32_t ports[N_TRANSPORTS] = { 0 };
        bool found = false;
        int r = look_up_service(parser, protocols, item->protocols, name, column, ports);

        if (r < 0)
                return r;
        for (size_t i = 0; i < N_TRANSPORTS; i++) {
                struct item part = *item;

                if (ports[i] == 0)
                        continue;
                found = true;
                part.low = part.high = (uint16_t)ports[i];
                part.protocols = 0;
                for (size_t j = i; j < N_TRANSPORTS; j++)
                        if (ports[j] == part.low) {
                                part.protocols |= item->protocols & transports[j].bits;
                                ports[j] = 0;
                        }
                r = add_item(parser, &part);
                if (r < 0)
                        return r;
        }
        if (!found)
                return parser_fail(
                        parser, column, "unknown service '%.*s'; " PORT_EXPECTED, TEXT(name));
        return 0;
}

int port_parse(struct parser *parser,
               const struct protocols *protocols,
               const struct item *item,
               struct text text,
               uint32_t column) {
        if (text.length == 0)
                return parser_fail(
                        parser,
                        column,
                        "no port after ':'; expected a port, LOW-HIGH or a service name");
        if (text_all_of(text, "0123456789-"))
                return add_range(parser, *item, text, column);
        return add_service(parser, protocols, item, text, column);
}
