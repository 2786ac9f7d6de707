/* SPDX-License-Identifier: MIT */
#include "client/reply.h"

#include <string.h>

#include "client/message.h"

enum { ERRNO_MAX = 4095 }; /* the kernel's own limit */

/* The reasons from here on are the library's own and never travel. A reason that this release does
 * not know is an error like any other. */
static bool reason_valid(const struct wire_reply *reply) {
        int error = message_errno(reply->reason);

        if (reply->reason == LOWPORT_GRANTED)
                return reply->error == 0;
        if (reply->reason >= LOWPORT_UNREACHABLE || reply->error <= 0 || reply->error > ERRNO_MAX)
                return false;
        return error == 0 || error == reply->error;
}

/* A release is no place for what would write to a terminal. */
static bool release_valid(const char *text, size_t size) {
        size_t length = strnlen(text, size);

        for (size_t i = 0; i < length; i++)
                if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
                        return false;
        return length < size;
}

static bool text_valid(const struct wire_reply *reply) {
        const struct wire_status *status = &reply->status;

        if (reply->operation == WIRE_STATUS && reply->reason == LOWPORT_GRANTED)
                return release_valid(status->version, sizeof(status->version));
        return memchr(reply->path, '\0', sizeof(reply->path)) != NULL;
}

bool reply_valid(const struct wire_reply *reply,
                 size_t size,
                 bool has_descriptor,
                 uint16_t operation) {
        bool granted = reply->reason == LOWPORT_GRANTED;
        bool promised = (reply->flags & WIRE_HAS_DESCRIPTOR) != 0;

        if (size != sizeof(*reply) || reply->version != WIRE_VERSION ||
            (reply->flags & ~WIRE_HAS_DESCRIPTOR) != 0)
                return false;
        /* A daemon that turns a client away unheard has no operation to repeat. */
        if (reply->operation != operation && (granted || reply->operation != 0))
                return false;
        if (promised != has_descriptor || promised != (granted && operation == WIRE_OPEN))
                return false;
        return reason_valid(reply) && text_valid(reply);
}
