/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <lowport/lowport.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/report.h"
#include "common/protection.h"

static const char help_text[] =
        "Usage: lowport status [OPTION]…\n"
        "\n"
        "Shows the daemon's release, state and counters since it started.\n"
        "\n"
        "Options:\n"
        "      --json         as one JSON object\n"
        "      --socket PATH  the daemon's socket (else $LOWPORT_SOCKET, else\n"
        "                     " LOWPORT_SOCKET_PATH ")\n"
        "  -h, --help         show this\n"
        "\n"
        "Exit status: 0; 2 usage, 123 daemon not reachable, 125 other failure.\n";

struct field {
        const char *key;  /* in JSON */
        const char *text; /* for people; what stands after the number */
        size_t offset;
        size_t size;
};

#define FIELD(name, text)                                           \
        {                                                           \
#name, text, offsetof(struct lowport_status, name), \
                        sizeof(((struct lowport_status *)0)->name)  \
        }

static const struct field fields[] = {
        FIELD(uptime, NULL),
        FIELD(generation, "loads of a policy"),
        FIELD(rules, "rules in force"),
        FIELD(granted, "sockets handed out"),
        FIELD(denied, "requests denied by the policy"),
        FIELD(failed, "requests granted that the kernel refused"),
        FIELD(over_limit, "requests over a limit"),
        FIELD(malformed, "requests not understood"),
        FIELD(evicted, "connections that gave way to others"),
        FIELD(abandoned, "of these with a socket not taken"),
        FIELD(timed_out, "connections without a request in time"),
        FIELD(turned_away, "connections refused for lack of descriptors"),
        FIELD(records_lost, "audit records lost"),
        FIELD(workers, "workers in open mode"),
        FIELD(workers_idle, "of these idle"),
        FIELD(workers_max, "workers in open mode at most"),
        FIELD(workers_per_user, "connections at most of one user, in both modes"),
        FIELD(own_workers, "workers in own mode"),
        FIELD(own_workers_idle, "of these idle"),
        FIELD(own_workers_max, "workers in own mode at most, stuck ones counted"),
        FIELD(own_per_user, "sockets at most that one user may have sent"),
        FIELD(workers_stuck, "workers stuck and left behind"),
        FIELD(stuck_of_uid, "of these by the user with most"),
        FIELD(stuck_uid, NULL),
};

static uint64_t value_of(const struct lowport_status *status, const struct field *field) {
        const char *at = (const char *)status + field->offset;
        uint64_t wide;
        uint32_t narrow;

        if (field->size == sizeof(wide)) {
                memcpy(&wide, at, sizeof(wide));
                return wide;
        }
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
}

static void print_protections_json(struct json *json, uint32_t active) {
        json_open(json, "protections", '[');
        for (const struct protection *p = protections; p->bit != 0; p++)
                if ((active & p->bit) != 0)
                        json_string(json, NULL, p->name);
        json_close(json, ']');
}

/* What confines the daemon's trusted part, and what it lacks. */
static void print_protections(uint32_t active) {
        (void)fputs("    confined:", stdout);
        for (const struct protection *p = protections; p->bit != 0; p++)
                if ((active & p->bit) != 0)
                        (void)printf(" %s", p->name);
        (void)putchar('\n');
        for (const struct protection *p = protections; p->bit != 0; p++)
                if ((active & p->bit) == 0)
                        (void)printf("not confined: %s, which needs %s\n", p->name, p->needs);
}

static void print_json(const struct lowport_status *status) {
        struct json json = { .file = stdout };

        json_open(&json, NULL, '{');
        json_string(&json, "version", status->version);
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
                json_number(&json, fields[i].key, value_of(status, &fields[i]));
        print_protections_json(&json, status->protections);
        json_close(&json, '}');
        (void)putchar('\n');
}

/* What needs somebody's attention stands out. */
static enum output_colour colour_of(const struct field *field, uint64_t value) {
        bool bad = field->offset == offsetof(struct lowport_status, workers_stuck) ||
                   field->offset == offsetof(struct lowport_status, records_lost);

        return bad && value > 0 ? OUTPUT_RED : OUTPUT_PLAIN;
}

static void print_text(const struct lowport_status *status) {
        unsigned long long minutes = status->uptime / 60;
        char line[96];

        (void)snprintf(line, sizeof(line), "lowportd %s", status->version);
        output_coloured(stdout, OUTPUT_BOLD, line);
        (void)printf(", up %llu d %llu h %llu min %llu s\n",
                     minutes / 60 / 24,
                     minutes / 60 % 24,
                     minutes % 60,
                     (unsigned long long)status->uptime % 60);
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
                uint64_t value = value_of(status, &fields[i]);

                if (fields[i].text == NULL)
                        continue;
                (void)snprintf(
                        line, sizeof(line), "%12llu %s", (unsigned long long)value, fields[i].text);
                output_coloured(stdout, colour_of(&fields[i], value), line);
                (void)putchar('\n');
        }
        print_protections(status->protections);
}

static int show(const char *path, bool as_json) {
        struct lowport *lp = lowport_new(path);
        struct lowport_status status;
        int result = CLI_OK;

        if (lp == NULL) {
                cli_complain("the daemon's socket: %s", strerror(errno));
                return CLI_FAILED;
        }
        if (lowport_status(lp, &status, sizeof(status)) < 0) {
                cli_complain("%s", lowport_message(lp));
                report_hint(lowport_reason(lp), false);
                result = report_status(lowport_reason(lp));
        } else if (as_json) {
                print_json(&status);
        } else {
                print_text(&status);
        }
        lowport_free(lp);
        return result;
}

int cli_status(int argc, char **argv) {
        enum { JSON = 256, SOCKET };
        static const struct option long_options[] = {
                { "json", no_argument, NULL, JSON },
                { "socket", required_argument, NULL, SOCKET },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        const char *path = NULL;
        bool as_json = false;
        int option;

        while ((option = getopt_long(argc, argv, "+:h", long_options, NULL)) != -1) {
                switch (option) {
                case JSON:
                        as_json = true;
                        break;
                case SOCKET:
                        path = optarg;
                        break;
                case 'h':
                        return fputs(help_text, stdout) < 0 ? CLI_FAILED : CLI_OK;
                default:
                        cli_complain("status: '%s' is not an option, or lacks its argument; try: "
                                     "lowport status --help",
                                     argv[optind - 1]);
                        return CLI_USAGE;
                }
        }
        if (argv[optind] != NULL) {
                cli_complain("status: nothing expected after the options, found '%s'",
                             argv[optind]);
                return CLI_USAGE;
        }
        return show(path, as_json);
}
