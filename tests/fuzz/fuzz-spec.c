/* SPDX-License-Identifier: MIT */
/* The SPEC of `lowport run -l`, which may come from a file that somebody else wrote. */
#include <ctype.h>
#include <net/if.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "cli/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
struct servent *__wrap_getservbyname(const char *name, const char *protocol);
unsigned __wrap_if_nametoindex(const char *name);

/* As with the policy's names, the first letter says what becomes of it. */
struct servent *__wrap_getservbyname(const char *name, const char *protocol) {
        static struct servent service;

        service.s_port = htons((uint16_t)(1 + strlen(protocol)));
        return name[0] == 'b' ? NULL : &service;
}

unsigned __wrap_if_nametoindex(const char *name) {
        return name[0] == 'b' ? 0 : (unsigned)strlen(name);
}

static void check(const struct spec *spec) {
        size_t length = strnlen(spec->name, sizeof(spec->name));
        const struct request *request = &spec->request;
        char buffer[64];

        if (length == 0 || length == sizeof(spec->name) ||
            strnlen(spec->text, sizeof(spec->text)) == sizeof(spec->text))
                abort();
        for (size_t i = 0; i < length; i++) /* LISTEN_FDNAMES is a list with ':' */
                if (spec->name[i] == ':' || iscntrl((unsigned char)spec->name[i]))
                        abort();
        if (request->port == 0 || request->backlog <= 0 || request->operation != WIRE_OPEN)
                abort();
        if (request->address.family != ADDRESS_V4 && request->address.family != ADDRESS_V6)
                abort();
        if ((request->flags & LOWPORT_V6ONLY) != 0 && request->address.family != ADDRESS_V6)
                abort();
        if (request->protocol == IPPROTO_UDP && (request->flags & LOWPORT_NO_LISTEN) != 0)
                abort();
        (void)spec_address(spec, buffer, sizeof(buffer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1), error[256];
        struct spec spec;

        if (text == NULL)
                abort();
        memcpy(text, data, size);
        text[size] = '\0';
        memset(error, 'x', sizeof(error));
        if (spec_parse(text, &spec, error, sizeof(error)) == 0)
                check(&spec);
        else if (strnlen(error, sizeof(error)) == sizeof(error) || error[0] == '\0')
                abort();
        free(text);
        return 0;
}
