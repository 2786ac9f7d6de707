/* SPDX-License-Identifier: MIT */
#include "cli/wrap_preload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define MODULE "liblowport-preload.so"

enum { FOLDER_MAX = 1024 };

/* The folder that this program lies in; "" where it cannot be told. */
static void find_home(char *ret, size_t size) {
        ssize_t n = readlink("/proc/self/exe", ret, size - 1);

        ret[n > 0 ? n : 0] = '\0';
        ret[strrchr(ret, '/') == NULL ? 0 : strrchr(ret, '/') - ret] = '\0';
}

/* As built, as installed, as installed and then moved elsewhere. Returns false if it is in none of
 * these places. */
static bool find_module(char *ret, size_t size) {
        static const char *const beside[] = { "/../lib/" MODULE, "/../lib/lowport/" MODULE };
        const char *named = secure_getenv("LOWPORT_PRELOAD");
        char home[FOLDER_MAX];

        if (named != NULL && named[0] != '\0')
                return snprintf(ret, size, "%s", named) < (int)size && access(ret, R_OK) == 0;
        find_home(home, sizeof(home));
        (void)snprintf(ret, size, "%s%s", home, beside[0]);
        if (home[0] != '\0' && access(ret, R_OK) == 0)
                return true;
        (void)snprintf(ret, size, "%s", LOWPORT_PRELOAD_MODULE);
        if (access(ret, R_OK) == 0)
                return true;
        (void)snprintf(ret, size, "%s%s", home, beside[1]);
        return home[0] != '\0' && access(ret, R_OK) == 0;
}

/* Ours comes first; what was there before is found by it. */
static int set_preload(const char *module) {
        const char *before = getenv("LD_PRELOAD");
        char *value = NULL;
        int r;

        if (before == NULL || before[0] == '\0')
                return setenv("LD_PRELOAD", module, 1) < 0 ? -errno : 0;
        if (asprintf(&value, "%s:%s", module, before) < 0)
                return -ENOMEM;
        r = setenv("LD_PRELOAD", value, 1) < 0 ? -errno : 0;
        free(value);
        return r;
}

int wrap_preload(const struct wrap_options *options, const char *own_socket) {
        char module[FOLDER_MAX + 64];
        int r;

        if (!find_module(module, sizeof(module))) {
                cli_complain("wrap: the module for --via=preload is not there: %s", module);
                return CLI_FAILED;
        }
        if (strpbrk(module, " :") != NULL) {
                cli_complain("wrap: LD_PRELOAD cannot name a path with a blank or colon: %s",
                             module);
                return CLI_FAILED;
        }
        r = set_preload(module);
        if (r == 0 && own_socket != NULL && setenv("LOWPORT_OWN_SOCKET", own_socket, 1) < 0)
                r = -errno;
        if (r == 0 && options->quiet && setenv("LOWPORT_WRAP_QUIET", "1", 1) < 0)
                r = -errno;
        if (r < 0) {
                cli_complain("wrap: cannot set the environment: %s", strerror(-r));
                return CLI_FAILED;
        }
        return CLI_OK;
}
