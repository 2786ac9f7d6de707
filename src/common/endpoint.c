/* SPDX-License-Identifier: MIT */
#include "common/endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const char *endpoint_protocol(uint8_t protocol) {
        switch (protocol) {
        case IPPROTO_TCP:
                return "tcp";
        case IPPROTO_UDP:
                return "udp";
        case IPPROTO_SCTP:
                return "sctp";
        default:
                return "unknown";
        }
}

void endpoint_format_address(const struct address *address, char *ret, size_t size) {
        char text[INET6_ADDRSTRLEN] = "?";
        int family = address->family == ADDRESS_V4 ? AF_INET : AF_INET6;

        (void)inet_ntop(family, address->bytes, text, sizeof(text));
        if (address->scope != 0)
                (void)snprintf(ret, size, "%s%%%u", text, address->scope);
        else
                (void)snprintf(ret, size, "%s", text);
}

void endpoint_format_place(const struct address *address, uint16_t port, char *ret, size_t size) {
        bool v6 = address->family == ADDRESS_V6;
        char text[64]; /* INET6_ADDRSTRLEN, and a zone */

        endpoint_format_address(address, text, sizeof(text));
        (void)snprintf(ret, size, "%s%s%s:%u", v6 ? "[" : "", text, v6 ? "]" : "", port);
}

void endpoint_format(uint8_t protocol,
                     const struct address *address,
                     uint16_t port,
                     bool v6only,
                     char *ret,
                     size_t size) {
        const char *six = address->family == ADDRESS_V6 && v6only ? "6" : "";
        char place[ENDPOINT_TEXT_MAX];

        endpoint_format_place(address, port, place, sizeof(place));
        (void)snprintf(ret, size, "%s%s %s", endpoint_protocol(protocol), six, place);
}
