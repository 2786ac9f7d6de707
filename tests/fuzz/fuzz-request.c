/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken must hold what the worker counts on. */
static void check(const struct request *request) {
        struct sockaddr_storage storage;
        struct address again = request->address;

        if (request->operation < WIRE_OPEN || request->operation > WIRE_STATUS)
                abort();
        if (request->operation == WIRE_STATUS)
                return;
        if (request->backlog <= 0)
                abort();
        if (request->address.family != ADDRESS_V4 && request->address.family != ADDRESS_V6)
                abort();
        if (request->protocol != IPPROTO_TCP && request->protocol != IPPROTO_UDP &&
            request->protocol != IPPROTO_SCTP)
                abort();
        address_normalise(&again);
        if (memcmp(&again, &request->address, sizeof(again)) != 0)
                abort();
        if (address_to_sockaddr(&request->address, request->port, false, &storage) >
            sizeof(storage))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct request request;
        uint32_t detail = 0;
        enum lowport_reason reason = wire_decode(data, size, &request, &detail);

        if (reason == LOWPORT_GRANTED)
                check(&request);
        if (reason == LOWPORT_GRANTED && size != WIRE_REQUEST_SIZE)
                abort();
        if (reason == LOWPORT_MALFORMED && detail >= WIRE_REQUEST_SIZE)
                abort();
        return 0;
}
