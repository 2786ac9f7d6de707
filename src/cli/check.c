/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "policy/lint.h"
#include "policy/load.h"

static const char help_text[] =
        "Usage: lowport check [OPTION]… [PATH]…\n"
        "\n"
        "Finds errors and doubtful rules in a policy: in the files named, and in the *.conf of\n"
        "the directories named; else in " LOWPORT_POLICY_DIR "/policy.conf and " LOWPORT_POLICY_DIR
        "/policy.d.\n"
        "\n"
        "Options:\n"
        "      --json  as one JSON object\n"
        "  -h, --help  show this\n"
        "\n"
        "Exit status: 0 also with warnings; 1 the policy has an error; 2 usage; 125 other "
        "failure.\n";

static void print_notice(const struct notice *notice, bool error) {
        printf("%s:", notice->path != NULL ? notice->path : "?");
        if (notice->line > 0)
                printf("%u:%u:", notice->line, notice->column);
        (void)putchar(' ');
        output_coloured(
                stdout, error ? OUTPUT_RED : OUTPUT_YELLOW, error ? "error: " : "warning: ");
        (void)puts(notice->text != NULL ? notice->text : "out of memory");
}

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

static void print_text(const struct load_report *report, const struct notices *warnings) {
        for (size_t i = 0; i < report->errors.count; i++)
                print_notice(&report->errors.list[i], true);
        for (size_t i = 0; i < warnings->count; i++)
                print_notice(&warnings->list[i], false);
        if (report->errors.count > 0)
                printf("%zu error%s\n", report->errors.count, plural(report->errors.count));
        else if (report->n_files == 0)
                (void)puts("no policy file: everything is denied");
        else
                printf("%zu file%s, %zu rule%s, no error, %zu warning%s\n",
                       report->n_files,
                       plural(report->n_files),
                       report->n_rules,
                       plural(report->n_rules),
                       warnings->count,
                       plural(warnings->count));
}

static void write_notices(struct json *json, const char *key, const struct notices *notices) {
        json_open(json, key, '[');
        for (size_t i = 0; i < notices->count; i++) {
                const struct notice *notice = &notices->list[i];

                json_open(json, NULL, '{');
                json_string(json, "file", notice->path);
                json_number(json, "line", notice->line);
                json_number(json, "column", notice->column);
                json_string(json, "text", notice->text);
                json_close(json, '}');
        }
        json_close(json, ']');
}

static void print_json(const struct load_report *report, const struct notices *warnings) {
        struct json json = { .file = stdout };

        json_open(&json, NULL, '{');
        json_number(&json, "files", report->n_files);
        json_number(&json, "rules", report->n_rules);
        write_notices(&json, "errors", &report->errors);
        write_notices(&json, "warnings", warnings);
        json_close(&json, '}');
        (void)putchar('\n');
}

static int check(const struct load_options *options, bool as_json) {
        struct load_report report = { 0 };
        struct notices warnings = { 0 };
        struct policy *policy = NULL;
        int r = load_policy(options, &report, &policy), status = CLI_OK;

        if (r == 0)
                r = lint_policy(policy, options->facts, LINT_ALL, &warnings);
        if (r < 0)
                status = report.errors.count > 0 ? CLI_PROBLEM : CLI_FAILED;
        if (status == CLI_FAILED)
                cli_complain("check: %s", report.error != NULL ? report.error : strerror(-r));
        else if (as_json)
                print_json(&report, &warnings);
        else
                print_text(&report, &warnings);
        policy_free(policy);
        notices_done(&warnings);
        load_report_done(&report);
        return status;
}

int cli_check(int argc, char **argv) {
        enum { JSON = 256 };
        static const struct option long_options[] = {
                { "json", no_argument, NULL, JSON },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        struct compile_facts facts;
        bool as_json = false;
        int option;

        while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
                switch (option) {
                case JSON:
                        as_json = true;
                        break;
                case 'h':
                        return fputs(help_text, stdout) < 0 ? CLI_FAILED : CLI_OK;
                default:
                        cli_complain("check: '%s' is not an option; try: lowport check --help",
                                     argv[optind - 1]);
                        return CLI_USAGE;
                }
        }
        compile_facts_read(&facts);
        return check(&(struct load_options){ .paths = (const char *const *)(argv + optind),
                                             .n_paths = (size_t)(argc - optind),
                                             .facts = &facts },
                     as_json);
}
