/* SPDX-License-Identifier: MIT */
#include "policy/notice.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct notice *next_notice(struct notices *notices) {
        if (notices->count == notices->capacity) {
                size_t capacity = notices->capacity == 0 ? 8 : notices->capacity * 2;
                struct notice *list = reallocarray(notices->list, capacity, sizeof(*list));

                if (list == NULL)
                        return NULL;
                notices->list = list;
                notices->capacity = capacity;
        }
        return &notices->list[notices->count++];
}

void notices_add(struct notices *notices,
                 const char *path,
                 uint32_t line,
                 uint32_t column,
                 const char *format,
                 ...) {
        struct notice *notice = next_notice(notices);
        va_list arguments;

        if (notice == NULL)
                return;
        *notice = (struct notice){ .path = strdup(path), .line = line, .column = column };
        va_start(arguments, format);
        if (vasprintf(&notice->text, format, arguments) < 0)
                notice->text = NULL;
        va_end(arguments);
}

char *notice_format(const struct notice *notice) {
        const char *path = notice->path != NULL ? notice->path : "?";
        const char *text = notice->text != NULL ? notice->text : "out of memory";
        char *ret;
        int n;

        if (notice->line == 0)
                n = asprintf(&ret, "%s: %s", path, text);
        else
                n = asprintf(&ret, "%s:%u:%u: %s", path, notice->line, notice->column, text);
        return n < 0 ? NULL : ret;
}

void notices_done(struct notices *notices) {
        for (size_t i = 0; i < notices->count; i++) {
                free(notices->list[i].path);
                free(notices->list[i].text);
        }
        free(notices->list);
        *notices = (struct notices){ 0 };
}
