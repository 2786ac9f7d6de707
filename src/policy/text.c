/* SPDX-License-Identifier: MIT */
#include "policy/text.h"

#include <string.h>

bool text_is(struct text text, const char *word) {
        return strlen(word) == text.length && memcmp(text.at, word, text.length) == 0;
}

bool text_equal(struct text a, struct text b) {
        return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

bool text_ends_with(struct text text, const char *suffix) {
        size_t length = strlen(suffix);

        return text.length >= length && text_is(text_tail(text, text.length - length), suffix);
}

bool text_all_of(struct text text, const char *set) {
        for (size_t i = 0; i < text.length; i++)
                if (text.at[i] == '\0' || strchr(set, text.at[i]) == NULL)
                        return false;
        return true;
}

struct text text_head(struct text text, size_t length) {
        return (struct text){ text.at, length < text.length ? length : text.length };
}

struct text text_tail(struct text text, size_t from) {
        if (from > text.length)
                from = text.length;
        return (struct text){ text.at + from, text.length - from };
}

size_t text_find(struct text text, char byte) {
        size_t i = 0;

        while (i < text.length && text.at[i] != byte)
                i++;
        return i;
}

int text_to_number(struct text text, uint32_t max, uint32_t *ret) {
        uint64_t number = 0;

        if (text.length == 0 || !text_all_of(text, "0123456789"))
                return TEXT_E_NO_NUMBER;
        if (text.length > 1 && text.at[0] == '0')
                return TEXT_E_LEADING_ZERO;
        for (size_t i = 0; i < text.length; i++) {
                number = number * 10 + (uint64_t)(text.at[i] - '0');
                if (number > max)
                        return TEXT_E_RANGE;
        }
        *ret = (uint32_t)number;
        return 0;
}

bool text_copy(struct text text, char *ret, size_t size) {
        if (text.length >= size)
                return false;
        memcpy(ret, text.at, text.length);
        ret[text.length] = '\0';
        return true;
}
