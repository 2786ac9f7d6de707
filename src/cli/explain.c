/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "policy/load.h"
#include "policy/unit.h"

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

static int ask_policy(const struct question *question) {
        struct compile_facts facts;
        struct load_report report = { 0 };
        struct policy *policy = NULL;
        struct trial trial = { .reason = LOWPORT_NO_RULE };
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
                status = answer_give(question, &answer);
        }
        policy_free(policy);
        load_report_done(&report);
        return status;
}

/* In a container the daemon sees another uid, our names mean nothing in its policy, and the network
 * is another one as a rule. */
static void name_caller(struct question *question, uint32_t uid) {
        struct inquiry *inquiry = &question->inquiry;

        if (inquiry_of_caller(inquiry) == 0 && inquiry->account.uid == uid)
                return;
        snprintf(inquiry->who, sizeof(inquiry->who), "user %u", uid);
        inquiry->other_netns = true;
}

/* A rule may hang on the unit, which is plain to whoever wrote it only. */
static const char *own_unit(char *room, size_t size) {
        static char cgroup[4096]; /* PATH_MAX */

        if (unit_read_cgroup(getpid(), cgroup, sizeof(cgroup)) < 0 ||
            unit_of_cgroup(cgroup, room, size) < 0)
                return NULL;
        return room;
}

static int ask_daemon(struct question *question) {
        const struct request *request = &question->spec.request;
        struct lowport *lp = lowport_new(question->socket);
        struct answer answer = { 0 };
        char address[64], unit[256];
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
                answer.unit = own_unit(unit, sizeof(unit));
                status = answer_give(question, &answer);
        } else {
                cli_complain("explain: %s", lowport_message(lp));
                report_hint(answer.reason, false);
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
        if (spec_needs_own(&question->spec))
                cli_complain("explain: reuseport and mptcp are for 'lowport run --own', and mean "
                             "nothing to the policy");
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
