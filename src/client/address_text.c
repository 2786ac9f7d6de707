/* SPDX-License-Identifier: MIT */
#include "client/address_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns 0, -EINVAL or -ENODEV. */
static int scope_from_text(const char *zone, uint32_t *ret) {
        unsigned long long number;
        char *end;

        if (zone[0] == '\0')
                return -EINVAL;
        if (zone[0] < '0' || zone[0] > '9') {
                *ret = if_nametoindex(zone);
                return *ret == 0 ? -ENODEV : 0;
        }
        errno = 0;
        number = strtoull(zone, &end, 10);
        if (errno != 0 || *end != '\0' || number == 0 || number > INT32_MAX)
                return -EINVAL;
        *ret = (uint32_t)number;
        return 0;
}

static bool has_scope(const struct in6_addr *address) {
        return IN6_IS_ADDR_LINKLOCAL(address) || IN6_IS_ADDR_MC_LINKLOCAL(address);
}

static int v6_from_text(const char *text, struct address *ret) {
        struct address address = { .family = ADDRESS_V6 };
        char buffer[INET6_ADDRSTRLEN];
        size_t length = strcspn(text, "%");
        struct in6_addr in6;

        if (length >= sizeof(buffer))
                return -EINVAL;
        memcpy(buffer, text, length);
        buffer[length] = '\0';
        if (inet_pton(AF_INET6, buffer, &in6) != 1)
                return -EINVAL;
        if (text[length] == '%') {
                int r = has_scope(&in6) ? scope_from_text(text + length + 1, &address.scope)
                                        : -EINVAL;

                if (r < 0)
                        return r;
        }
        memcpy(address.bytes, &in6, sizeof(in6));
        address_normalise(&address);
        *ret = address;
        return 0;
}

int address_from_text(const char *text, struct address *ret) {
        struct in_addr in;

        if (inet_pton(AF_INET, text, &in) != 1)
                return v6_from_text(text, ret);
        *ret = (struct address){ .family = ADDRESS_V4 };
        memcpy(ret->bytes, &in, sizeof(in));
        return 0;
}
