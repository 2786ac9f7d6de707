/* SPDX-License-Identifier: MIT */
#include "policy/suggest.h"

#include <stdio.h>

#include "common/endpoint.h"

/* A wildcard is written as no address: who may take all of a family's addresses may as well take
 * one of them, and the line reads better. */
static void
suggest_wildcard(const char *who, const struct request *request, char *ret, size_t size) {
        const char *name = endpoint_protocol(request->protocol);
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
        struct address address = request->address;
        char place[ENDPOINT_TEXT_MAX];

        if (address_is_wildcard(&address)) {
                suggest_wildcard(who, request, ret, size);
                return;
        }
        address.scope = 0; /* a rule names no zone */
        endpoint_format_place(&address, request->port, place, sizeof(place));
        snprintf(ret, size, "allow %s %s %s", who, endpoint_protocol(request->protocol), place);
}
