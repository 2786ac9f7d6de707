/* SPDX-License-Identifier: MIT */
#include "common/address.h"

#include <arpa/inet.h>
#include <string.h>

void address_normalise(struct address *address) {
        static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

        if (address->family != ADDRESS_V6 || memcmp(address->bytes, mapped, sizeof(mapped)) != 0)
                return;
        memmove(address->bytes, address->bytes + 12, 4);
        memset(address->bytes + 4, 0, 12);
        address->family = ADDRESS_V4;
        address->scope = 0;
}

bool address_is_wildcard(const struct address *address) {
        static const uint8_t zero[16];

        return memcmp(address->bytes, zero, sizeof(zero)) == 0;
}

bool address_in_prefix(const struct address *address, const uint8_t prefix[16], unsigned length) {
        unsigned whole = length / 8, rest = length % 8;

        if (memcmp(address->bytes, prefix, whole) != 0)
                return false;
        return rest == 0 || (address->bytes[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

socklen_t address_to_sockaddr(const struct address *address,
                              uint16_t port,
                              bool mapped,
                              struct sockaddr_storage *ret) {
        memset(ret, 0, sizeof(*ret));
        if (address->family == ADDRESS_V4 && !mapped) {
                struct sockaddr_in *in = (struct sockaddr_in *)ret;

                in->sin_family = AF_INET;
                in->sin_port = htons(port);
                memcpy(&in->sin_addr, address->bytes, sizeof(in->sin_addr));
                return sizeof(*in);
        }

        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        in6->sin6_scope_id = address->scope;
        memcpy(&in6->sin6_addr, address->bytes, sizeof(in6->sin6_addr));
        if (address->family == ADDRESS_V4) {
                memset(&in6->sin6_addr, 0, sizeof(in6->sin6_addr));
                in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
                memcpy(in6->sin6_addr.s6_addr + 12, address->bytes, 4);
        }
        return sizeof(*in6);
}
