/* SPDX-License-Identifier: MIT */
#pragma once

/* What goes to people and to programs: colours on a terminal (never with NO_COLOR), and a small
 * JSON writer. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum output_colour { OUTPUT_PLAIN, OUTPUT_GREEN, OUTPUT_RED, OUTPUT_YELLOW, OUTPUT_BOLD };

/* Prints `text` to `file`, coloured if it is a terminal and NO_COLOR is unset or empty. */
void output_coloured(FILE *file, enum output_colour colour, const char *text);

/* JSON: values of one object or array; commas and escapes are the writer's business. Pass NULL as
 * `key` inside an array and for the outermost value. Bytes that are not UTF-8 become U+FFFD. */
struct json {
        FILE *file;
        bool comma;
};

void json_open(struct json *json, const char *key, char bracket);        /* '{' or '[' */
void json_close(struct json *json, char bracket);                        /* '}' or ']' */
void json_string(struct json *json, const char *key, const char *value); /* NULL: null */
void json_number(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
