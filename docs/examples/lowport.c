/* SPDX-License-Identifier: MIT */

/* An addon for Node.js, with the one function open(port): a TCP socket that listens on every
 * address, for server.listen({ fd }). It throws an Error with a code, as EACCES, and what the
 * library says of it.
 *
 *     cc -shared -fPIC -o lowport.node -I/usr/include/node lowport.c -llowport */

#define _GNU_SOURCE /* strerrorname_np */
#include <errno.h>
#include <lowport/lowport.h>
#include <netinet/in.h>
#include <node_api.h>
#include <string.h>

static int listen_on(uint16_t port, char *problem, size_t size) {
        struct lowport *lp = lowport_new(NULL);
        int fd = lp == NULL ? -1 : lowport_open(lp, IPPROTO_TCP, NULL, port, 0, 0);
        int error = errno;

        if (fd < 0)
                strncpy(problem, lp == NULL ? strerror(error) : lowport_message(lp), size - 1);
        lowport_free(lp);
        errno = error;
        return fd;
}

static napi_value open_port(napi_env env, napi_callback_info info) {
        napi_value argument, result = NULL;
        size_t count = 1;
        uint32_t port = 0;
        char problem[640] = "";
        int fd;

        if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count != 1 ||
            napi_get_value_uint32(env, argument, &port) != napi_ok || port == 0 || port > 65535) {
                napi_throw_range_error(env, "EINVAL", "expected a port from 1 to 65535");
                return NULL;
        }
        fd = listen_on((uint16_t)port, problem, sizeof(problem));
        if (fd < 0)
                napi_throw_error(env, strerrorname_np(errno), problem);
        else
                (void)napi_create_int32(env, fd, &result);
        return result;
}

NAPI_MODULE_INIT() {
        napi_value function;

        if (napi_create_function(env, "open", NAPI_AUTO_LENGTH, open_port, NULL, &function) ==
            napi_ok)
                (void)napi_set_named_property(env, exports, "open", function);
        return exports;
}
