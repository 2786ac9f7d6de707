/* SPDX-License-Identifier: MIT */
#pragma once

/* Requests by hand, as a client without the library makes them, and one that means no good. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/wire.h"

struct answer {
        bool closed;    /* there is none: the connection has ended, and so has `reply` no meaning */
        int send_error; /* an errno: the request could not be sent */
        struct wire_reply reply;
        int fd; /* what came with it, or -1 */
};

enum { ASK_DESCRIPTORS = 253 }; /* the most that the kernel lets go with a message */

/* `protocol` is IPPROTO_TCP or IPPROTO_UDP, `address` in text. */
struct wire_request
ask_for(uint16_t operation, uint8_t protocol, const char *address, uint16_t port);

/* Sends `size` bytes, with descriptors. Returns 0 or a negative errno. */
int ask_send(int connection, const void *data, size_t size, const int *fds, size_t n_fds);

/* Waits for the reply; or, for so many milliseconds, whether one comes. */
struct answer ask_receive(int connection);
bool ask_is_answered(int connection, int wait);

/* One request on a connection. */
struct answer ask_on(int connection, const struct wire_request *request);
struct answer
ask_with(int connection, const struct wire_request *request, const int *fds, size_t n_fds);

/* One in open mode on a connection of its own; `ask_granted` gives the socket, and fails if there is none. */
struct answer ask_open(uid_t uid, uint8_t protocol, const char *address, uint16_t port);
int ask_granted(uid_t uid, uint8_t protocol, const char *address, uint16_t port);

/* One in own mode for a socket. Returns the reason. */
enum lowport_reason
ask_own(uid_t uid, int fd, uint8_t protocol, const char *address, uint16_t port);

/* Whether a connection to that port, or a datagram, meets that socket. A TCP socket must listen. */
bool ask_is_served(int fd, uint8_t protocol, const char *address, uint16_t port);
