/* SPDX-License-Identifier: MIT */
#pragma once

/* The least of a client, for programs that attack: no patience, no second try, no opinion of what
 * the daemon answers. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"

/* Connects. Returns the descriptor, or -1 with errno. */
int speak_connect(const char *path);

/* A request about `port` of 127.0.0.1. */
struct wire_request speak_request(uint16_t operation, uint8_t protocol, uint16_t port);

/* Sends what may be no request at all, and does not wait for room. */
bool speak_send(int connection, const void *data, size_t size);

/* Waits for one reply, and closes the socket that came along. Returns its reason, or -1: the
 * daemon has closed the connection, or something broke it. */
int speak_hear(int connection);

/* Sends a request and waits for the reply. */
int speak_ask(int connection, const struct wire_request *request);

/* Sends OWN with a descriptor, after a CHECK that was granted. */
bool speak_own(int connection, const struct wire_request *request, int fd);

/* As many descriptors as this process may have. */
void speak_raise_limit(void);
