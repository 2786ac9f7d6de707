/* SPDX-License-Identifier: MIT */
#include "cli/report.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "client/handle.h"
#include "policy/suggest.h"

int report_status(enum lowport_reason reason) {
        static const struct {
                enum lowport_reason reason;
                int status;
        } statuses[] = {
                { LOWPORT_GRANTED, CLI_OK },
                { LOWPORT_RULE_DENIES, CLI_DENIED },
                { LOWPORT_NO_RULE, CLI_DENIED },
                { LOWPORT_OTHER_NETNS, CLI_DENIED },
                { LOWPORT_UNMAPPED_USER, CLI_DENIED },
                { LOWPORT_ADDRESS_IN_USE, CLI_IN_USE },
                { LOWPORT_UNREACHABLE, CLI_UNREACHABLE },
                { LOWPORT_TIMED_OUT, CLI_UNREACHABLE },
        };

        for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
                if (statuses[i].reason == reason)
                        return statuses[i].status;
        return CLI_FAILED;
}

void report_hint(enum lowport_reason reason, bool own) {
        static const char unreachable_own[] =
                "start lowportd, say where it is with --own-socket PATH or $LOWPORT_OWN_SOCKET, or "
                "let an administrator add you to the group that may use it";
        static const struct {
                enum lowport_reason reason;
                const char *text;
        } hints[] = {
                { LOWPORT_RULE_DENIES,
                  "a deny rule wins over every allow rule: an administrator would have to change "
                  "it" },
                { LOWPORT_ADDRESS_IN_USE,
                  "stop the other program, or wait for the port with --wait SECONDS" },
                { LOWPORT_ADDRESS_NOT_AVAILABLE,
                  "to bind an address that is still to come, add ,freebind" },
                { LOWPORT_NOT_LOW_PORT, "leave out --no-direct" },
                { LOWPORT_OVER_LIMIT, "try again later, or for longer with --wait SECONDS" },
                { LOWPORT_UNREACHABLE,
                  "start lowportd, or say where it is with --socket PATH or $LOWPORT_SOCKET" },
                { LOWPORT_TIMED_OUT, "lowportd is there, but stuck or stopped: see its log" },
        };

        for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
                if (hints[i].reason == reason)
                        cli_complain("%s",
                                     own && reason == LOWPORT_UNREACHABLE ? unreachable_own
                                                                          : hints[i].text);
}

/* A person: the name, where the daemon's uids are ours too. */
struct person {
        char words[96]; /* "user deploy (uid 1001)" */
        char rule[64];  /* "user deploy", as a rule has it */
};

/* The daemon sees a user of a container under another uid, of which our names say nothing. */
static void describe_person(uint32_t uid, struct person *ret) {
        const struct passwd *entry = uid == geteuid() ? getpwuid(uid) : NULL;

        if (entry != NULL) {
                (void)snprintf(
                        ret->words, sizeof(ret->words), "user %s (uid %u)", entry->pw_name, uid);
                (void)snprintf(ret->rule, sizeof(ret->rule), "user %s", entry->pw_name);
        } else {
                (void)snprintf(ret->words, sizeof(ret->words), "uid %u", uid);
                (void)snprintf(ret->rule, sizeof(ret->rule), "user %u", uid);
        }
}

/* The line that would allow it. A container, which is what an unlike uid tells, has a network of its
 * own as a rule. */
static void suggest(const struct lowport *lp, const struct spec *spec, const char *who) {
        bool netns = lowport_reason(lp) == LOWPORT_OTHER_NETNS || lowport_uid(lp) != geteuid();
        char rule[192];

        suggest_rule(who, &spec->request, rule, sizeof(rule));
        cli_complain("an administrator can allow it with this line in %s/policy.conf: %s%s",
                     LOWPORT_POLICY_DIR,
                     rule,
                     netns ? " netns any" : "");
}

static void report_no_rule(const struct lowport *lp, const struct spec *spec, const char *who) {
        const struct request *request = &spec->request;

        if (lp->detail != ADDRESS_V4 || request->address.family != ADDRESS_V6)
                cli_complain("%s: denied: no rule allows %s", spec->text, who);
        else
                cli_complain("%s: denied: no rule allows 0.0.0.0:%u, which this takes too, to %s",
                             spec->text,
                             request->port,
                             who);
}

void report_refusal(const struct lowport *lp, const struct spec *spec, bool own) {
        enum lowport_reason reason = lowport_reason(lp);
        uint32_t uid = lowport_uid(lp);
        struct person person;
        const char *path;
        unsigned line;

        if (report_status(reason) != CLI_DENIED || reason == LOWPORT_UNMAPPED_USER) {
                cli_complain("%s: %s", spec->text, lowport_message(lp));
                report_hint(reason, own);
                return;
        }
        describe_person(uid, &person);
        if (reason == LOWPORT_NO_RULE)
                report_no_rule(lp, spec, person.words);
        else if (reason == LOWPORT_OTHER_NETNS)
                cli_complain("%s: denied: %s asks from another network namespace",
                             spec->text,
                             person.words);
        else if (lowport_rule(lp, &path, &line))
                cli_complain("%s: denied to %s by %s:%u", spec->text, person.words, path, line);
        else
                cli_complain("%s: denied to %s by a rule", spec->text, person.words);

        if (uid != geteuid())
                cli_complain("the daemon sees uid %u of this container as %u", geteuid(), uid);
        if (reason == LOWPORT_RULE_DENIES)
                report_hint(reason, own);
        else
                suggest(lp, spec, person.rule);
}

void report_failure(const struct spec *spec, const char *what, int error) {
        cli_complain("%s: %s: %s", spec->text, what, strerror(error));
        if (error == EADDRINUSE)
                report_hint(LOWPORT_ADDRESS_IN_USE, false);
        else if (error == EADDRNOTAVAIL)
                report_hint(LOWPORT_ADDRESS_NOT_AVAILABLE, false);
        else if (spec->mptcp && (error == ENOPROTOOPT || error == EPROTONOSUPPORT))
                cli_complain("this kernel has no Multipath TCP, or net.mptcp.enabled is 0: leave "
                             "out ,mptcp");
}
