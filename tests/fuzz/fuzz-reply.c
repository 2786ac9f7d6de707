/* SPDX-License-Identifier: MIT */
/* What a daemon gone bad, or something else that listens at its path, answers to the client. */
#include <stdlib.h>
#include <string.h>

#include "client/message.h"
#include "client/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the client takes for an answer must be one that it can act on. */
static void check(const struct wire_reply *reply, uint16_t operation, bool has_descriptor) {
        bool granted = reply->reason == LOWPORT_GRANTED;

        if (granted != (reply->error == 0) || reply->error < 0 || reply->error > 4095)
                abort();
        if (has_descriptor != (granted && operation == WIRE_OPEN))
                abort();
        if (reply->reason >= LOWPORT_UNREACHABLE)
                abort();
        if (granted && operation == WIRE_STATUS) {
                volatile size_t length = strlen(reply->status.version);

                (void)length;
        }
}

/* The sentence fits wherever it is to go, and is one line of text. */
static void
describe(const struct wire_reply *reply, const struct wire_request *request, size_t room) {
        bool rule = reply->reason != LOWPORT_GRANTED || reply->operation != WIRE_STATUS;
        const struct message message = {
                .reason = reply->reason,
                .error = reply->error,
                .uid = reply->uid,
                .detail = reply->detail,
                .line = reply->line,
                .path = rule ? reply->path : "",
                .socket = "/run/lowport/socket",
                .address = { .family = request->family == ADDRESS_V4 ? ADDRESS_V4 : ADDRESS_V6 },
                .port = request->port,
        };
        char *text = malloc(room);

        if (text == NULL)
                abort();
        message_write(&message, text, room);
        if (memchr(text, '\0', room) == NULL)
                abort();
        free(text);
}

/* Two bytes: what was asked, whether a descriptor came, and how long a message may be; then the
 * datagram, of which the client's buffer holds as much as fits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct wire_request request = { .family = ADDRESS_V4, .port = 80 };
        struct wire_reply reply = { 0 };
        uint16_t operation;
        bool has_descriptor;
        size_t room;

        if (size < 2)
                return 0;
        operation = (uint16_t)(WIRE_OPEN + data[0] % 4);
        has_descriptor = (data[0] & 128) != 0;
        room = 1 + data[1] * 4U;
        request.operation = operation;
        size -= 2;
        memcpy(&reply, data + 2, size < sizeof(reply) ? size : sizeof(reply));
        if (!reply_valid(&reply, size, has_descriptor, operation))
                return 0;
        if (size != sizeof(reply))
                abort();
        check(&reply, operation, has_descriptor);
        describe(&reply, &request, room);
        return 0;
}
