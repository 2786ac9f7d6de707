/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"

static int on_terminal;

int __wrap_isatty(int fd);

int __wrap_isatty(int fd) {
        (void)fd;
        return on_terminal;
}

static char text[1024];

static FILE *memory(void) {
        memset(text, 0, sizeof(text));
        return fmemopen(text, sizeof(text), "w");
}

static void values_are_parted_by_commas(void **state) {
        struct json json = { .file = memory() };

        (void)state;
        json_open(&json, NULL, '{');
        json_string(&json, "a", "x");
        json_number(&json, "b", UINT64_MAX);
        json_open(&json, "c", '[');
        json_bool(&json, NULL, true);
        json_bool(&json, NULL, false);
        json_open(&json, NULL, '{');
        json_close(&json, '}');
        json_close(&json, ']');
        json_open(&json, "d", '[');
        json_close(&json, ']');
        json_string(&json, "e", NULL);
        json_close(&json, '}');
        fclose(json.file);
        assert_string_equal(text,
                            "{\"a\": \"x\", \"b\": 18446744073709551615, \"c\": [true, false, {}], "
                            "\"d\": [], \"e\": null}");
}

static void strings_are_escaped(void **state) {
        static const struct {
                const char *value, *json;
        } cases[] = {
                { "", "\"\"" },
                { "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
                { "\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\"" },
                { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7",
                  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7\"" },
                { "\xf4\x8f\xbf\xbf\xed\x9f\xbf", "\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\"" },
                { "\xff", "\"\\ufffd\"" },
                { "\x80z", "\"\\ufffdz\"" },
                { "\xc0\xaf", "\"\\ufffd\\ufffd\"" },                       /* overlong */
                { "\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\"" },            /* overlong */
                { "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },            /* a surrogate */
                { "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" }, /* above U+10FFFF */
                { "\xe2\x82", "\"\\ufffd\\ufffd\"" }, /* the string ends within */
                { "\xf0\x9f\x90\"", "\"\\ufffd\\ufffd\\ufffd\\\"\"" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct json json = { .file = memory() };

                json_string(&json, NULL, cases[i].value);
                fclose(json.file);
                assert_string_equal(text, cases[i].json);
        }
        struct json json = { .file = memory() };

        json_string(&json, "k\"", "v");
        fclose(json.file);
        assert_string_equal(text, "\"k\\\"\": \"v\"");
}

static const char *coloured(enum output_colour colour) {
        FILE *file = memory();

        output_coloured(file, colour, "x");
        fclose(file);
        return text;
}

static void colours_are_for_terminals(void **state) {
        (void)state;
        unsetenv("NO_COLOR");
        on_terminal = 0;
        assert_string_equal(coloured(OUTPUT_RED), "x");
        on_terminal = 1;
        assert_string_equal(coloured(OUTPUT_RED), "\033[31mx\033[0m");
        assert_string_equal(coloured(OUTPUT_PLAIN), "x");
        setenv("NO_COLOR", "", 1);
        assert_string_equal(coloured(OUTPUT_BOLD), "\033[1mx\033[0m");
        setenv("NO_COLOR", "1", 1);
        assert_string_equal(coloured(OUTPUT_BOLD), "x");
        unsetenv("NO_COLOR");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_parted_by_commas),
                cmocka_unit_test(strings_are_escaped),
                cmocka_unit_test(colours_are_for_terminals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
