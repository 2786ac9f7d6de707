/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/spec.h"
#include "policy/inquiry.h"
#include "policy/load.h"
#include "policy/suggest.h"
#include "policy/trial.h"

static const char help_text[] =
        "Usage: lowport explain [OPTION]… [user NAME|UID] [group NAME|GID]… [unit NAME]\n"
        "                       [netns other] SPEC\n"
        "\n"
        "Says whether a request would be granted, by which rule, and what rule would grant it.\n"
        "SPEC is [PROTO:][ADDRESS:]PORT, for example tcp:80, udp:[::1]:53 or https.\n"
        "\n"
        "A user has all of the user's groups, unless groups are named. 'netns other' is a peer in\n"
        "another network namespace than the daemon's. With neither a subject nor a policy, it is\n"
        "the daemon that is asked, about the caller.\n"
        "\n"
        "Options:\n"
        "      --policy PATH  a file, or a directory with *.conf; may be repeated (else\n"
        "                     " LOWPORT_POLICY_DIR "/policy.conf and " LOWPORT_POLICY_DIR
        "/policy.d)\n"
        "      --socket PATH  the daemon's socket (else $LOWPORT_SOCKET, else\n"
        "                     " LOWPORT_SOCKET_PATH ")\n"
        "      --json         as one JSON object\n"
        "  -h, --help         show this\n"
        "\n"
        "Exit status: 0 granted, 121 denied, 2 usage, 123 daemon not reachable, 125 other\n"
        "failure, such as a policy with an error.\n";

struct question {
        struct spec spec;
        struct inquiry inquiry;
        bool json;
        const char *socket;
        const char **paths;
        size_t n_paths;
};

/* What there is to say; pointers are borrowed, NULL where there is nothing. */
struct answer {
        enum lowport_reason reason;
        uint32_t uid;     /* RULESET_NONE: no user in particular */
        const char *path; /* of the rule that decided */
        unsigned line;
        const struct trial *trial; /* on a policy; NULL: the daemon was asked */
        const struct policy *policy;
        char suggestion[640];
};

static void suggest(const struct question *question, struct answer *answer) {
        bool netns = question->inquiry.other_netns || answer->reason == LOWPORT_OTHER_NETNS;
        size_t used;

        if (answer->reason != LOWPORT_NO_RULE && answer->reason != LOWPORT_OTHER_NETNS)
                return;
        suggest_rule(question->inquiry.who,
                     &question->spec.request,
                     answer->suggestion,
                     sizeof(answer->suggestion));
        used = strlen(answer->suggestion);
        if (netns)
                snprintf(
                        answer->suggestion + used, sizeof(answer->suggestion) - used, " netns any");
}

static void print_rule(const struct policy *policy, const struct rule *rule, const char *label) {
        printf("  %-5s %s:%u: %.*s",
               label,
               rule_path(policy, rule),
               rule->line,
               (int)rule->text.length,
               rule->text.at);
}

/* Beside a denial only what it overrides is of interest. */
static bool is_shown(const struct answer *answer, const struct near *near) {
        return answer->reason != LOWPORT_RULE_DENIES || near->why == 0;
}

static void print_near(const struct answer *answer) {
        for (size_t i = 0; i < answer->trial->n_near; i++) {
                const struct near *near = &answer->trial->near[i];
                char why[256];

                if (!is_shown(answer, near))
                        continue;
                print_rule(answer->policy, near->rule, "near:");
                near_describe(near, why, sizeof(why));
                printf(" (%s)\n", near->why == 0 ? "would allow it" : why);
        }
}

static const char *advice(const struct answer *answer) {
        if (answer->reason == LOWPORT_NOT_LOW_PORT)
                return "any program can bind it without asking";
        if (answer->reason == LOWPORT_RULE_DENIES)
                return "while that rule stands, no other can allow it";
        if (answer->reason == LOWPORT_UNMAPPED_USER)
                return "every uid that is not mapped here shows as this one";
        if (answer->reason == LOWPORT_NO_RULE && answer->trial != NULL && answer->trial->wants_unit)
                return "a rule hangs on the unit: name one with 'unit NAME'";
        return NULL;
}

/* After "denied:". */
static const char *reason_text(enum lowport_reason reason) {
        if (reason == LOWPORT_NO_RULE)
                return "no rule allows it";
        if (reason == LOWPORT_RULE_DENIES)
                return "a rule denies it";
        return lowport_reason_text(reason);
}

static void print_text(const struct question *question, const struct answer *answer) {
        bool granted = answer->reason == LOWPORT_GRANTED;
        const char *hint = advice(answer);

        output_coloured(
                stdout, granted ? OUTPUT_GREEN : OUTPUT_RED, granted ? "granted" : "denied");
        printf(": %s", question->inquiry.who);
        if (answer->uid != RULESET_NONE)
                printf(" (uid %u)", answer->uid);
        printf(", %s", question->spec.text);
        if (granted)
                (void)putchar('\n');
        else
                printf(": %s\n", reason_text(answer->reason));
        if (answer->trial == NULL && answer->path != NULL) {
                printf("  by:   %s:%u\n", answer->path, answer->line);
        } else if (answer->trial != NULL && answer->trial->rule != NULL) {
                print_rule(answer->policy, answer->trial->rule, "by:");
                (void)putchar('\n');
        }
        if (answer->trial != NULL && answer->trial->rule4 != NULL) {
                print_rule(answer->policy, answer->trial->rule4, "and:");
                (void)puts(" (for 0.0.0.0)");
        }
        if (answer->trial != NULL)
                print_near(answer);
        if (hint != NULL)
                printf("  note: %s\n", hint);
        if (answer->suggestion[0] != '\0')
                printf("  add:  %s\n", answer->suggestion);
}

static void write_rule(struct json *json,
                       const char *key,
                       const struct answer *answer,
                       const struct near *near) {
        const struct rule *rule = near->rule;
        char why[256], *text = strndup(rule->text.at, rule->text.length);

        json_open(json, key, '{');
        json_string(json, "file", rule_path(answer->policy, rule));
        json_number(json, "line", rule->line);
        json_string(json, "text", text);
        if (key == NULL) {
                near_describe(near, why, sizeof(why));
                json_string(json, "why", why);
        }
        json_close(json, '}');
        free(text);
}

/* The rule that decided: all of it, or what the daemon told. */
static void write_deciding(struct json *json, const struct answer *answer) {
        if (answer->trial != NULL && answer->trial->rule != NULL) {
                write_rule(json, "rule", answer, &(struct near){ .rule = answer->trial->rule });
        } else if (answer->path != NULL) {
                json_open(json, "rule", '{');
                json_string(json, "file", answer->path);
                json_number(json, "line", answer->line);
                json_close(json, '}');
        } else {
                json_string(json, "rule", NULL);
        }
}

static void print_json(const struct question *question, const struct answer *answer) {
        const char *suggestion = answer->suggestion[0] != '\0' ? answer->suggestion : NULL;
        struct json json = { .file = stdout };

        json_open(&json, NULL, '{');
        json_bool(&json, "granted", answer->reason == LOWPORT_GRANTED);
        json_string(&json, "reason", lowport_reason_text(answer->reason));
        json_string(&json, "who", question->inquiry.who);
        if (answer->uid != RULESET_NONE)
                json_number(&json, "uid", answer->uid);
        json_string(&json, "what", question->spec.text);
        write_deciding(&json, answer);
        json_open(&json, "near", '[');
        for (size_t i = 0; answer->trial != NULL && i < answer->trial->n_near; i++)
                if (is_shown(answer, &answer->trial->near[i]))
                        write_rule(&json, NULL, answer, &answer->trial->near[i]);
        json_close(&json, ']');
        json_string(&json, "suggestion", suggestion);
        json_close(&json, '}');
        (void)putchar('\n');
}

static int give(const struct question *question, struct answer *answer) {
        suggest(question, answer);
        if (question->json)
                print_json(question, answer);
        else
                print_text(question, answer);
        return answer->reason == LOWPORT_GRANTED ? CLI_OK : CLI_DENIED;
}

static int ask_policy(const struct question *question) {
        struct compile_facts facts;
        struct load_report report = { 0 };
        struct policy *policy = NULL;
        struct trial trial;
        struct answer answer = { .trial = &trial, .uid = RULESET_NONE };
        struct subject subject = { 0 };
        int r, status = CLI_FAILED;

        compile_facts_read(&facts);
        r = load_policy(&(struct load_options){ .paths = question->paths,
                                                .n_paths = question->n_paths,
                                                .facts = &facts },
                        &report,
                        &policy);
        if (r == 0) {
                subject = inquiry_subject(&question->inquiry, trial_spare_uid(policy, &facts));
                r = trial_run(policy, &facts, &subject, &question->spec.request, &trial);
        }
        if (r < 0) {
                cli_complain("explain: %s", report.error != NULL ? report.error : strerror(-r));
        } else {
                answer.policy = policy;
                answer.reason = trial.reason;
                if (question->inquiry.has_user)
                        answer.uid = subject.uid;
                status = give(question, &answer);
        }
        policy_free(policy);
        load_report_done(&report);
        return status;
}

/* In a container the daemon sees another uid, and our names mean nothing in its policy. */
static void name_caller(struct question *question, uint32_t uid) {
        struct inquiry *inquiry = &question->inquiry;

        if (inquiry_of_caller(inquiry) == 0 && inquiry->account.uid == uid)
                return;
        snprintf(inquiry->who, sizeof(inquiry->who), "user %u", uid);
}

static int ask_daemon(struct question *question) {
        const struct request *request = &question->spec.request;
        struct lowport *lp = lowport_new(question->socket);
        struct answer answer = { 0 };
        char address[64];
        int status;

        if (lp == NULL) {
                cli_complain("explain: the daemon's socket: %s", strerror(errno));
                return CLI_FAILED;
        }
        (void)lowport_check(lp,
                            request->protocol,
                            spec_address(&question->spec, address, sizeof(address)),
                            request->port,
                            request->flags);
        answer.reason = lowport_reason(lp);
        answer.uid = lowport_uid(lp);
        status = report_status(answer.reason);
        if (status == CLI_OK || status == CLI_DENIED || answer.reason == LOWPORT_NOT_LOW_PORT) {
                if (lowport_rule(lp, &answer.path, &answer.line) != 1)
                        answer.path = NULL;
                name_caller(question, answer.uid);
                status = give(question, &answer);
        } else {
                cli_complain("explain: %s", lowport_message(lp));
                report_hint(answer.reason);
        }
        lowport_free(lp);
        return status;
}

/* The words after the options: a subject, and SPEC. */
static int take_words(struct question *question, const char *const *words, size_t n) {
        char error[256];
        int r;

        if (n == 0) {
                cli_complain("explain: no SPEC; try: lowport explain --help");
                return CLI_USAGE;
        }
        if (spec_parse(words[n - 1], &question->spec, error, sizeof(error)) < 0) {
                cli_complain("explain: %s", error);
                return CLI_USAGE;
        }
        if (n == 1 && question->n_paths == 0)
                return CLI_OK;
        if (n == 1)
                r = inquiry_of_caller(&question->inquiry);
        else
                r = inquiry_parse(words, n - 1, &question->inquiry, error, sizeof(error));
        if (r == 0)
                return CLI_OK;
        cli_complain("explain: %s", n == 1 ? strerror(-r) : error);
        return r == -EINVAL ? CLI_USAGE : CLI_FAILED;
}

static int ask(struct question *question, char *const *words, size_t n) {
        int status = take_words(question, (const char *const *)words, n);

        if (status == CLI_OK)
                status = n == 1 && question->n_paths == 0 ? ask_daemon(question)
                                                          : ask_policy(question);
        inquiry_done(&question->inquiry);
        free((void *)question->paths);
        return status;
}

int cli_explain(int argc, char **argv) {
        enum { JSON = 256, POLICY, SOCKET };
        static const struct option long_options[] = {
                { "json", no_argument, NULL, JSON },
                { "policy", required_argument, NULL, POLICY },
                { "socket", required_argument, NULL, SOCKET },
                { "help", no_argument, NULL, 'h' },
                { 0 },
        };
        struct question question = { .paths = calloc((size_t)argc, sizeof(*question.paths)) };
        int option;

        while (question.paths != NULL &&
               (option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
                switch (option) {
                case JSON:
                        question.json = true;
                        break;
                case POLICY:
                        question.paths[question.n_paths++] = optarg;
                        break;
                case SOCKET:
                        question.socket = optarg;
                        break;
                case 'h':
                        free((void *)question.paths);
                        return fputs(help_text, stdout) < 0 ? CLI_FAILED : CLI_OK;
                default:
                        free((void *)question.paths);
                        cli_complain("explain: '%s' is not an option, or lacks its argument; try: "
                                     "lowport explain --help",
                                     argv[optind - 1]);
                        return CLI_USAGE;
                }
        }
        if (question.paths == NULL) {
                cli_complain("explain: %s", strerror(ENOMEM));
                return CLI_FAILED;
        }
        return ask(&question, argv + optind, (size_t)(argc - optind));
}
