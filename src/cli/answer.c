/* SPDX-License-Identifier: MIT */
#include "cli/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "policy/suggest.h"

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
        if (answer->unit != NULL)
                printf("  unit: %s\n", answer->unit);
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
        if (answer->unit != NULL)
                json_string(&json, "unit", answer->unit);
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

int answer_give(const struct question *question, struct answer *answer) {
        suggest(question, answer);
        if (question->json)
                print_json(question, answer);
        else
                print_text(question, answer);
        return answer->reason == LOWPORT_GRANTED ? CLI_OK : CLI_DENIED;
}
