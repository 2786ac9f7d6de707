/* SPDX-License-Identifier: MIT */
#include "client/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/endpoint.h"
#include "common/wire.h"

/* One line per reason: the errno that always comes with it (0: it varies), a few words, and a
 * sentence. In the sentence {uid}, {detail} and {port} are numbers, {error} is the errno in words,
 * {rule} is "file:line", {socket} the daemon's, {what} what is asked for and {lacks} that part of
 * it which no rule grants. */
static const struct text {
        unsigned reason;
        int error;
        const char *words;
        const char *sentence;
} texts[] = {
        { LOWPORT_GRANTED, 0, "granted", "granted" },
        { LOWPORT_RULE_DENIES, EACCES, "a rule denies it", "denied to uid {uid} by {rule}" },
        { LOWPORT_NO_RULE,
          EACCES,
          "no rule allows it",
          "denied: no rule allows {lacks} to uid {uid}" },
        { LOWPORT_ADDRESS_IN_USE,
          EADDRINUSE,
          "address in use",
          "in use: another program holds {what}" },
        { LOWPORT_ADDRESS_NOT_AVAILABLE,
          EADDRNOTAVAIL,
          "address not available",
          "not available: {what} is not at an address of this host" },
        { LOWPORT_NOT_LOW_PORT,
          EINVAL,
          "port needs no privilege",
          "port {port} needs no privilege: bind it yourself (the daemon grants 1 to {detail})" },
        { LOWPORT_OTHER_NETNS,
          EACCES,
          "other network namespace",
          "denied: uid {uid} asks from another network namespace, and no rule with 'netns any' "
          "allows {lacks}" },
        { LOWPORT_UNSUITABLE_SOCKET,
          EINVAL,
          "unsuitable socket",
          "the daemon cannot bind the socket that was sent: {unsuitable}" },
        { LOWPORT_OVER_LIMIT,
          EAGAIN,
          "over a limit",
          "over a limit: too many requests by uid {uid}, or in all; try again later" },
        { LOWPORT_TOO_SHORT,
          EBADMSG,
          "request too short",
          "the daemon finds the request of {detail} bytes too short" },
        { LOWPORT_TOO_LONG,
          EBADMSG,
          "request too long",
          "the daemon finds the request of {detail} bytes too long" },
        { LOWPORT_MALFORMED,
          EBADMSG,
          "request malformed",
          "the daemon finds the request wrong at byte {detail}" },
        { LOWPORT_UNSUPPORTED_VERSION,
          EPROTONOSUPPORT,
          "unsupported version",
          "the daemon speaks other versions of the protocol than this program" },
        { LOWPORT_UNKNOWN_OPERATION,
          EOPNOTSUPP,
          "unknown operation",
          "the daemon does not know operation {detail}" },
        { LOWPORT_UNMAPPED_USER,
          EACCES,
          "unmapped user",
          "denied: the caller's uid means nothing to the daemon, which sees it as {uid}" },
        { LOWPORT_EXHAUSTED,
          0,
          "resources exhausted",
          "resources exhausted: {error}; try again later" },
        { LOWPORT_BIND_FAILED, 0, "bind failed", "the kernel refuses {what}: {error}" },
        { LOWPORT_UNREACHABLE,
          0,
          "daemon not reachable",
          "no daemon can be reached at {socket}: {error}" },
        { LOWPORT_TIMED_OUT,
          ETIMEDOUT,
          "timed out",
          "the daemon at {socket} did not answer in time" },
        { LOWPORT_BAD_REPLY,
          EPROTO,
          "bad reply",
          "what answers at {socket} does not speak this version of the protocol" },
        { LOWPORT_BAD_ARGUMENT, EINVAL, "bad argument", "bad argument: {problem}" },
};

static const struct text *find_text(unsigned reason) {
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (texts[i].reason == reason)
                        return &texts[i];
        return NULL;
}

int message_errno(unsigned reason) {
        const struct text *text = find_text(reason);

        return text == NULL ? 0 : text->error;
}

const char *lowport_reason_text(enum lowport_reason reason) {
        const struct text *text = find_text((unsigned)reason);

        return text == NULL ? "unknown reason" : text->words;
}

/* "[::]:80", or "this" if the request named no address. */
static void put_place(const struct address *address, uint16_t port, char *ret, size_t size) {
        if (address->family == 0)
                (void)snprintf(ret, size, "this");
        else
                endpoint_format_place(address, port, ret, size);
}

/* [::] takes 0.0.0.0 too, and people do not expect to be denied that. */
static void put_lack(const struct message *m, char *ret, size_t size) {
        char place[ENDPOINT_TEXT_MAX];

        if (m->detail != ADDRESS_V4 || m->address.family != ADDRESS_V6) {
                (void)snprintf(ret, size, "this");
                return;
        }
        put_place(&m->address, m->port, place, sizeof(place));
        (void)snprintf(ret, size, "0.0.0.0:%u, which %s takes too,", m->port, place);
}

static const char *unsuitable(uint32_t detail) {
        static const char *const texts_of[] = {
                [UNSUITABLE_MISSING] = "no descriptor came",
                [UNSUITABLE_MANY] = "more than one descriptor came",
                [UNSUITABLE_OTHER] = "it is no IP socket",
                [UNSUITABLE_PROTOCOL] = "it is of another type or protocol",
                [UNSUITABLE_FAMILY] = "it is an IPv4 socket, and the address is IPv6",
                [UNSUITABLE_BOUND] = "it is bound, connected or listening already",
        };
        bool known = detail < sizeof(texts_of) / sizeof(texts_of[0]) && texts_of[detail] != NULL;

        return known ? texts_of[detail] : "it is of a wrong kind";
}

/* Not strerror(3): that translates into the program's language, and loads files and allocates memory
 * to do so, which a bind(2) in a signal handler cannot bear. */
static const char *error_text(int error) {
#ifdef __GLIBC__
        const char *text = strerrordesc_np(error);

        return text == NULL ? "unknown error" : text;
#else
        return strerror(error);
#endif
}

/* Writes what `{name}` stands for. */
static void put_value(const struct message *m, const char *name, char *ret, size_t size) {
        if (strcmp(name, "uid") == 0)
                (void)snprintf(ret, size, "%u", m->uid);
        else if (strcmp(name, "detail") == 0)
                (void)snprintf(ret, size, "%u", m->detail);
        else if (strcmp(name, "port") == 0)
                (void)snprintf(ret, size, "%u", m->port);
        else if (strcmp(name, "error") == 0)
                (void)snprintf(ret, size, "%s", error_text(m->error));
        else if (strcmp(name, "socket") == 0)
                (void)snprintf(ret, size, "%s", m->socket);
        else if (strcmp(name, "problem") == 0)
                (void)snprintf(ret, size, "%s", m->problem == NULL ? "?" : m->problem);
        else if (strcmp(name, "unsuitable") == 0)
                (void)snprintf(ret, size, "%s", unsuitable(m->detail));
        else if (strcmp(name, "what") == 0)
                put_place(&m->address, m->port, ret, size);
        else if (strcmp(name, "lacks") == 0)
                put_lack(m, ret, size);
        else if (m->line != 0)
                (void)snprintf(ret, size, "%s:%u", m->path, m->line);
        else
                (void)snprintf(ret, size, "a rule");
}

void message_write(const struct message *message, char *ret, size_t size) {
        const struct text *text = find_text(message->reason);
        const char *s = text == NULL ? "refused: {error}" : text->sentence;
        size_t at = 0;

        while (*s != '\0' && at + 1 < size) {
                size_t length = strcspn(s, "}");
                char name[16];

                if (*s != '{') {
                        ret[at++] = *s++;
                        continue;
                }
                (void)snprintf(name, sizeof(name), "%.*s", (int)length - 1, s + 1);
                put_value(message, name, ret + at, size - at);
                at += strlen(ret + at);
                s += length + 1;
        }
        ret[at] = '\0';
}
