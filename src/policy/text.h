/* SPDX-License-Identifier: MIT */
#pragma once

/* A piece of a policy file: borrowed, not NUL-terminated. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
        const char *at; /* NULL: there is none */
        size_t length;
};

/* For printf: `"%.*s", TEXT(t)`. What is long is cut, so that a message stays readable. */
#define TEXT(t) ((t).length > 255 ? 255 : (int)(t).length), (t).at

enum {
        TEXT_E_NO_NUMBER = 1,
        TEXT_E_LEADING_ZERO,
        TEXT_E_RANGE,
};

bool text_is(struct text text, const char *word);
bool text_equal(struct text a, struct text b);
bool text_ends_with(struct text text, const char *suffix);

/* True when every byte of it is in `set`; true for an empty text. */
bool text_all_of(struct text text, const char *set);

/* The first `length` bytes, and what follows them. */
struct text text_head(struct text text, size_t length);
struct text text_tail(struct text text, size_t from);

/* Where `byte` stands first, or text.length. */
size_t text_find(struct text text, char byte);

/* Decimal digits, without sign, blank or leading zero. Returns 0 or TEXT_E_…. */
int text_to_number(struct text text, uint32_t max, uint32_t *ret);

/* Copies it with a NUL. Returns false if it is longer than `size` - 1. */
bool text_copy(struct text text, char *ret, size_t size);
