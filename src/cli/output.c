/* SPDX-License-Identifier: MIT */
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wants_colour(FILE *file) {
        const char *no_color = getenv("NO_COLOR");

        return (no_color == NULL || no_color[0] == '\0') && isatty(fileno(file)) == 1;
}

void output_coloured(FILE *file, enum output_colour colour, const char *text) {
        static const char *const codes[] = {
                [OUTPUT_GREEN] = "\033[32m",
                [OUTPUT_RED] = "\033[31m",
                [OUTPUT_YELLOW] = "\033[33m",
                [OUTPUT_BOLD] = "\033[1m",
        };

        if (colour == OUTPUT_PLAIN || !wants_colour(file))
                (void)fputs(text, file);
        else
                (void)fprintf(file, "%s%s\033[0m", codes[colour], text);
}

/* Returns how many bytes at `s` are one character of UTF-8, or 0 if they are none: overlong forms,
 * surrogates and what is above U+10FFFF are not. */
static size_t utf8_length(const unsigned char *s) {
        /* The second byte's range says it all; the others are 80 to BF. */
        static const struct {
                unsigned char first_low, first_high, second_low, second_high;
                size_t length;
        } forms[] = {
                { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
                { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
                { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
                { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
        };

        if (s[0] < 0x80)
                return 1;
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
                if (s[0] < forms[i].first_low || s[0] > forms[i].first_high)
                        continue;
                if (s[1] < forms[i].second_low || s[1] > forms[i].second_high)
                        return 0;
                for (size_t j = 2; j < forms[i].length; j++)
                        if (s[j] < 0x80 || s[j] > 0xbf)
                                return 0;
                return forms[i].length;
        }
        return 0;
}

static void put_quoted(FILE *file, const char *text) {
        const unsigned char *s = (const unsigned char *)text;

        (void)fputc('"', file);
        while (*s != '\0') {
                size_t length = utf8_length(s);

                if (length == 0)
                        (void)fputs("\\ufffd", file);
                else if (*s == '"' || *s == '\\')
                        (void)fprintf(file, "\\%c", *s);
                else if (*s < 0x20 || *s == 0x7f)
                        (void)fprintf(file, "\\u%04x", *s);
                else
                        (void)fwrite(s, 1, length, file);
                s += length == 0 ? 1 : length;
        }
        (void)fputc('"', file);
}

/* What stands before a value: the comma after the one before it, and its key. */
static void put_key(struct json *json, const char *key) {
        if (json->comma)
                (void)fputs(", ", json->file);
        json->comma = true;
        if (key != NULL) {
                put_quoted(json->file, key);
                (void)fputs(": ", json->file);
        }
}

void json_open(struct json *json, const char *key, char bracket) {
        put_key(json, key);
        (void)fputc(bracket, json->file);
        json->comma = false;
}

void json_close(struct json *json, char bracket) {
        (void)fputc(bracket, json->file);
        json->comma = true;
}

void json_string(struct json *json, const char *key, const char *value) {
        put_key(json, key);
        if (value == NULL)
                (void)fputs("null", json->file);
        else
                put_quoted(json->file, value);
}

void json_number(struct json *json, const char *key, uint64_t value) {
        put_key(json, key);
        (void)fprintf(json->file, "%llu", (unsigned long long)value);
}

void json_bool(struct json *json, const char *key, bool value) {
        put_key(json, key);
        (void)fputs(value ? "true" : "false", json->file);
}
