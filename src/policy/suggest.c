/* SPDX-License-Identifier: MIT */
#include "policy/suggest.h"

#include <arpa/inet.h>
#include <stdio.h>

static const char *protocol_name(uint8_t protocol) {
        switch (protocol) {
        case IPPROTO_UDP:
                return "udp";
        case IPPROTO_SCTP:
                return "sctp";
        default:
                return "tcp";
        }
}

/* A wildcard is written as no address: who may take all of a family's addresses may as well take
 * one of them, and the line reads better. */
static void
suggest_wildcard(const char *who, const struct request *request, char *ret, size_t size) {
        const char *name = protocol_name(request->protocol);
        bool v4 = request->address.family == ADDRESS_V4;
        bool dual = !v4 && (request->flags & LOWPORT_V6ONLY) == 0;

        if (request->protocol == IPPROTO_SCTP && !dual) /* has no sctp4, sctp6 */
                snprintf(ret,
                         size,
                         "allow %s sctp %s:%u",
                         who,
                         v4 ? "0.0.0.0/0" : "[::]/0",
                         request->port);
        else
                snprintf(ret,
                         size,
                         "allow %s %s%s %u",
                         who,
                         name,
                         dual ? ""
                         : v4 ? "4"
                              : "6",
                         request->port);
}

void suggest_rule(const char *who, const struct request *request, char *ret, size_t size) {
        bool v4 = request->address.family == ADDRESS_V4;
        char address[INET6_ADDRSTRLEN] = "";

        if (address_is_wildcard(&request->address)) {
                suggest_wildcard(who, request, ret, size);
                return;
        }
        inet_ntop(v4 ? AF_INET : AF_INET6, request->address.bytes, address, sizeof(address));
        snprintf(ret,
                 size,
                 "allow %s %s %s%s%s:%u",
                 who,
                 protocol_name(request->protocol),
                 v4 ? "" : "[",
                 address,
                 v4 ? "" : "]",
                 request->port);
}
