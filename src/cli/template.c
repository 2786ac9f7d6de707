/* SPDX-License-Identifier: MIT */
#include "cli/template.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text between the braces. */
struct field {
        const char *text;
        size_t length;
};

static bool is_separator(char c) {
        return isascii(c) && isprint((unsigned char)c) && !isalnum((unsigned char)c) && c != ':' &&
               c != '{';
}

static bool put_named(FILE *out, const struct field *name, const struct handed *handed, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (strlen(handed[i].name) == name->length &&
                    memcmp(handed[i].name, name->text, name->length) == 0) {
                        (void)fprintf(out, "%d", handed[i].fd);
                        return true;
                }
        return false;
}

static void put_all(FILE *out, char separator, bool after, const struct handed *handed, size_t n) {
        for (size_t i = 0; i < n; i++) {
                (void)fprintf(out, "%d", handed[i].fd);
                if (after || i + 1 < n)
                        (void)fputc(separator, out);
        }
}

/* Returns false if the field is none that is known. */
static bool put_field(FILE *out, const struct field *field, const struct handed *handed, size_t n) {
        const char *s = field->text + 2;

        if (field->length < 2 || strncmp(field->text, "fd", 2) != 0)
                return false;
        if (field->length == 2) {
                (void)fprintf(out, "%d", handed[0].fd);
                return true;
        }
        if (*s == ':') {
                struct field name = { s + 1, field->length - 3 };

                return put_named(out, &name, handed, n);
        }
        if (!is_separator(*s))
                return false;
        if (field->length != 3 && (field->length != 5 || strncmp(s + 1, "fd", 2) != 0))
                return false;
        put_all(out, *s, field->length == 3, handed, n);
        return true;
}

/* Returns 0 or -EINVAL. */
static int put_template(FILE *out,
                        const char *text,
                        const struct handed *handed,
                        size_t n,
                        char *error,
                        size_t error_size) {
        while (*text != '\0') {
                struct field field = { text + 1, strcspn(text, "}") - 1 };

                if (text[0] != '{') {
                        (void)fputc(*text++, out);
                        continue;
                }
                if (text[1] == '{') {
                        (void)fputc('{', out);
                        text += 2;
                        continue;
                }
                if (field.text[field.length] != '}') {
                        (void)snprintf(error, error_size, "'%s': no '}' ends it", text);
                        return -EINVAL;
                }
                if (!put_field(out, &field, handed, n)) {
                        (void)snprintf(error,
                                       error_size,
                                       "'{%.*s}': expected {fd}, {fd:NAME} with the name of a "
                                       "socket, {fd;} or {fd,fd}; '{{' stands for a brace",
                                       (int)field.length,
                                       field.text);
                        return -EINVAL;
                }
                text = field.text + field.length + 1;
        }
        return 0;
}

int template_expand(const char *text,
                    const struct handed *handed,
                    size_t n,
                    char **ret,
                    char *error,
                    size_t error_size) {
        char *buffer = NULL;
        size_t size;
        FILE *out = open_memstream(&buffer, &size);
        int r;

        if (out == NULL)
                return -ENOMEM;
        r = put_template(out, text, handed, n, error, error_size);
        if (fclose(out) != 0 && r == 0)
                r = -ENOMEM;
        if (r < 0) {
                free(buffer);
                return r;
        }
        *ret = buffer;
        return 0;
}
