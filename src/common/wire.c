/* SPDX-License-Identifier: MIT */
#include "common/wire.h"

#include <limits.h>
#include <string.h>

#define FIELD(name) ((uint32_t)offsetof(struct wire_request, name))

/* Returns the offset of the first field of a request for a socket that is out of range, or
 * UINT32_MAX. What the policy decides on (the port's range) is not the wire's business. */
static uint32_t first_bad_field(const struct wire_request *wire) {
        static const uint8_t zero[16];
        bool stream = wire->protocol == IPPROTO_TCP || wire->protocol == IPPROTO_SCTP;
        bool v6 = wire->family == ADDRESS_V6;
        uint32_t flags = LOWPORT_FREEBIND;

        if (!stream && wire->protocol != IPPROTO_UDP)
                return FIELD(protocol);
        if (!v6 && wire->family != ADDRESS_V4)
                return FIELD(family);
        if (v6)
                flags |= LOWPORT_V6ONLY;
        if (stream)
                flags |= LOWPORT_NO_LISTEN;
        if ((wire->flags & ~flags) != 0)
                return FIELD(flags);
        if (wire->backlog > INT_MAX)
                return FIELD(backlog);
        if (!v6 && memcmp(wire->address + 4, zero, 12) != 0)
                return FIELD(address);
        if (!v6 && wire->scope != 0)
                return FIELD(scope);
        if (memcmp(wire->reserved, zero, sizeof(wire->reserved)) != 0)
                return FIELD(reserved);
        return UINT32_MAX;
}

/* STATUS says nothing but version and operation. */
static uint32_t first_field_not_zero(const struct wire_request *wire) {
        const uint8_t *bytes = (const uint8_t *)wire;

        for (uint32_t i = FIELD(protocol); i < sizeof(*wire); i++)
                if (bytes[i] != 0)
                        return i;
        return UINT32_MAX;
}

enum lowport_reason
wire_decode(const void *data, size_t size, struct request *ret, uint32_t *ret_detail) {
        struct wire_request wire;

        *ret_detail = (uint32_t)size;
        if (size < 2 * sizeof(uint16_t))
                return LOWPORT_TOO_SHORT;

        /* Version and operation stand there in every version, and say how long the rest is. */
        memset(&wire, 0, sizeof(wire));
        memcpy(&wire, data, size < sizeof(wire) ? size : sizeof(wire));
        if (wire.version != WIRE_VERSION) {
                *ret_detail = (uint32_t)WIRE_VERSION << 16 | WIRE_VERSION; /* highest, lowest */
                return LOWPORT_UNSUPPORTED_VERSION;
        }
        if (wire.operation < WIRE_OPEN || wire.operation > WIRE_STATUS) {
                *ret_detail = wire.operation;
                return LOWPORT_UNKNOWN_OPERATION;
        }
        if (size != sizeof(wire))
                return size < sizeof(wire) ? LOWPORT_TOO_SHORT : LOWPORT_TOO_LONG;

        *ret_detail = wire.operation == WIRE_STATUS ? first_field_not_zero(&wire)
                                                    : first_bad_field(&wire);
        if (*ret_detail != UINT32_MAX)
                return LOWPORT_MALFORMED;
        *ret_detail = 0;

        *ret = (struct request){
                .operation = wire.operation,
                .port = wire.port,
                .protocol = wire.protocol,
                .flags = wire.flags,
                .backlog = wire.backlog == 0 ? INT_MAX : (int)wire.backlog,
                .address = { .family = wire.family, .scope = wire.scope },
        };
        memcpy(ret->address.bytes, wire.address, sizeof(wire.address));
        address_normalise(&ret->address);
        return LOWPORT_GRANTED;
}
