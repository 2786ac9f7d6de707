/* SPDX-License-Identifier: MIT */
#include "cli/spec.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/address_text.h"
#include "common/endpoint.h"

static const struct protocol {
        const char *name;
        uint8_t protocol;
        uint8_t family; /* 0: either */
} protocols[] = {
        { "tcp", IPPROTO_TCP, 0 },
        { "tcp4", IPPROTO_TCP, ADDRESS_V4 },
        { "tcp6", IPPROTO_TCP, ADDRESS_V6 },
        { "udp", IPPROTO_UDP, 0 },
        { "udp4", IPPROTO_UDP, ADDRESS_V4 },
        { "udp6", IPPROTO_UDP, ADDRESS_V6 },
        { "sctp", IPPROTO_SCTP, 0 },
        { "sctp4", IPPROTO_SCTP, ADDRESS_V4 },
        { "sctp6", IPPROTO_SCTP, ADDRESS_V6 },
};

/* Where a message goes that says what is wrong. */
struct complaint {
        char *text;
        size_t size;
};

static int __attribute__((format(printf, 2, 3)))
fail(const struct complaint *complaint, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        (void)vsnprintf(complaint->text, complaint->size, format, arguments);
        va_end(arguments);
        return -EINVAL;
}

static const struct protocol *find_protocol(const char *name, size_t length) {
        for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
                if (strlen(protocols[i].name) == length &&
                    strncmp(protocols[i].name, name, length) == 0)
                        return &protocols[i];
        return NULL;
}

/* Decimal digits and nothing else, from 1 to `max`; else 0. */
static unsigned long number_from_text(const char *text, unsigned long max) {
        unsigned long number = 0;

        for (; *text != '\0'; text++) {
                if (!isdigit((unsigned char)*text))
                        return 0;
                number = number * 10 + (unsigned long)(*text - '0');
                if (number > max)
                        return 0;
        }
        return number;
}

static int parse_port(const char *text, struct request *request, const struct complaint *c) {
        const char *protocol = endpoint_protocol(request->protocol);
        const struct servent *service;

        if (isdigit((unsigned char)text[0])) {
                request->port = (uint16_t)number_from_text(text, UINT16_MAX);
                if (request->port == 0)
                        return fail(c, "'%s' is not a port; expected 1 to 65535", text);
                return 0;
        }
        if (text[0] == '\0')
                return fail(c, "no port; expected a number or the name of a service, as in tcp:80");
        service = getservbyname(text, protocol);
        if (service == NULL)
                return fail(c,
                            "'%s' is not a service of %s; expected one of /etc/services, or a "
                            "port from 1 to 65535",
                            text,
                            protocol);
        request->port = ntohs((uint16_t)service->s_port);
        return 0;
}

/* "tcp4:80" and "tcp6:80" say a wildcard without writing it. */
static void take_wildcard(const struct protocol *protocol, struct spec *spec) {
        bool v4 = protocol->family == ADDRESS_V4;

        spec->request.address.family = v4 ? ADDRESS_V4 : ADDRESS_V6;
        spec->any_address = protocol->family == 0;
}

static int parse_address(const char *text,
                         const struct protocol *protocol,
                         struct spec *spec,
                         const struct complaint *c) {
        struct address *address = &spec->request.address;
        int r = address_from_text(text, address);

        if (r == -ENODEV)
                return fail(c, "'%s': no such network interface", text);
        if (r < 0)
                return fail(c,
                            "'%s' is not an address; expected one as 127.0.0.1, [::1] or "
                            "[fe80::1%%eth0], or none at all for every address",
                            text);
        if (protocol->family != 0 && protocol->family != address->family)
                return fail(c,
                            "'%s' is not an IPv%d address, and %s is for these alone",
                            text,
                            protocol->family,
                            protocol->name);
        return 0;
}

/* "[ADDR:]PORT", with an IPv6 address in brackets. Writes NULs into `text`. */
static int parse_place(char *text,
                       const struct protocol *protocol,
                       struct spec *spec,
                       const struct complaint *c) {
        char *port = strrchr(text, ':');
        int r;

        if (port == NULL) {
                take_wildcard(protocol, spec);
                return parse_port(text, &spec->request, c);
        }
        if (text[0] == '[') {
                char *end = strchr(text, ']');

                if (end == NULL || end[1] != ':')
                        return fail(c, "'%s': expected an address and a port as [::1]:80", text);
                *end = '\0';
                port = end + 1;
                text++;
        } else if (strchr(text, ':') != port) {
                return fail(c, "'%s': write an IPv6 address in brackets, as [::1]:80", text);
        }
        *port = '\0';
        r = parse_address(text, protocol, spec, c);
        return r < 0 ? r : parse_port(port + 1, &spec->request, c);
}

/* "[PROTO:][ADDR:]PORT"; the protocol is tcp unless said. */
static int parse_socket(char *text, struct spec *spec, const struct complaint *c) {
        size_t length = strcspn(text, ":");
        const struct protocol *protocol = NULL;
        int r;

        if (text[length] == ':')
                protocol = find_protocol(text, length);
        if (protocol != NULL)
                text += length + 1;
        else if (text[0] != '\0' && text[length] == ':' && strchr(text, '.') == NULL &&
                 strchr(text, '[') == NULL && strchr(text + length + 1, ':') == NULL)
                return fail(c,
                            "'%.*s' is neither a protocol nor an address; expected tcp, udp or "
                            "sctp, each also with 4 or 6, or an address",
                            (int)length,
                            text);
        else
                protocol = &protocols[0]; /* tcp */
        spec->request.protocol = protocol->protocol;
        r = parse_place(text, protocol, spec, c);
        if (r < 0)
                return r;
        /* Only a wildcard could take IPv4 as well. */
        if (protocol->family == ADDRESS_V6 && address_is_wildcard(&spec->request.address))
                spec->request.flags |= LOWPORT_V6ONLY;
        return 0;
}

static int parse_name(const char *name, struct spec *spec, const struct complaint *c) {
        size_t length = strlen(name);

        if (length == 0 || length >= sizeof(spec->name))
                return fail(c, "name=%s: expected 1 to 255 bytes", name);
        for (const char *s = name; *s != '\0'; s++)
                if (*s == ':' || iscntrl((unsigned char)*s))
                        return fail(c, "name: no ':' and no control character can be in it");
        memcpy(spec->name, name, length + 1);
        return 0;
}

static int parse_option(const char *option, struct spec *spec, const struct complaint *c) {
        bool listens = spec->request.protocol != IPPROTO_UDP;

        if (strncmp(option, "name=", 5) == 0)
                return parse_name(option + 5, spec, c);
        if (strcmp(option, "freebind") == 0) {
                spec->request.flags |= LOWPORT_FREEBIND;
                return 0;
        }
        if (strcmp(option, "reuseport") == 0) {
                spec->reuseport = true;
                return 0;
        }
        if (strcmp(option, "mptcp") == 0) {
                spec->mptcp = true;
                return spec->request.protocol == IPPROTO_TCP ? 0
                                                             : fail(c, "'mptcp' is for TCP only");
        }
        if (!listens && (strcmp(option, "nolisten") == 0 || strncmp(option, "backlog=", 8) == 0))
                return fail(c, "'%s' means nothing for UDP, which never listens", option);
        if (strcmp(option, "nolisten") == 0) {
                spec->request.flags |= LOWPORT_NO_LISTEN;
                return 0;
        }
        if (strncmp(option, "backlog=", 8) == 0) {
                spec->request.backlog = (int)number_from_text(option + 8, INT_MAX);
                if (spec->request.backlog == 0)
                        return fail(c, "'%s': expected a number from 1 to %d", option, INT_MAX);
                return 0;
        }
        return fail(
                c,
                "'%s' is not an option; expected name=NAME, backlog=NUMBER, nolisten, freebind, "
                "reuseport or mptcp",
                option);
}

/* Parses `text`, which it writes into. */
static int parse(char *text, struct spec *spec, const struct complaint *c) {
        char *rest = text;
        const char *option;
        int r = parse_socket(strsep(&rest, ","), spec, c);

        while (r >= 0 && (option = strsep(&rest, ",")) != NULL)
                r = parse_option(option, spec, c);
        return r;
}

int spec_parse(const char *text, struct spec *ret, char *error, size_t error_size) {
        struct complaint complaint = { error, error_size };
        struct spec spec = { .request = { .operation = WIRE_OPEN, .backlog = INT_MAX } };
        char *copy = strdup(text);
        int r;

        if (copy == NULL)
                return fail(&complaint, "%s", strerror(errno));
        r = parse(copy, &spec, &complaint);
        free(copy);
        if (r < 0)
                return r;
        if (spec.name[0] == '\0')
                (void)snprintf(spec.name,
                               sizeof(spec.name),
                               "%s-%u",
                               endpoint_protocol(spec.request.protocol),
                               spec.request.port);
        spec_describe(&spec.request, spec.text, sizeof(spec.text));
        *ret = spec;
        return 0;
}

bool spec_needs_own(const struct spec *spec) {
        return spec->reuseport || spec->mptcp;
}

void spec_describe(const struct request *request, char *ret, size_t size) {
        endpoint_format(request->protocol,
                        &request->address,
                        request->port,
                        (request->flags & LOWPORT_V6ONLY) != 0,
                        ret,
                        size);
}

const char *spec_address(const struct spec *spec, char *buffer, size_t size) {
        if (spec->any_address)
                return NULL;
        endpoint_format_address(&spec->request.address, buffer, size);
        return buffer;
}
