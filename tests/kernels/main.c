/* SPDX-License-Identifier: MIT */

/* The scenarios of Lowport, and the servers that they start:
 *
 *     scenarios [WORD]                  those with the word in their names, or all
 *     scenarios --serve-inherited
 *     scenarios --serve HOW PORT
 */

#include <stdio.h>
#include <string.h>

#include "kernel.h"
#include "programs.h"
#include "scenario.h"
#include "scenarios.h"

static const struct scenario scenarios[] = {
        { "TCP and UDP, IPv4 and IPv6: granted, and served", grant_each_kind },
        { "refused: by a rule, by none, in use, no low port", grant_not },
        { "refused: what is malformed", grant_not_what_is_malformed },
        { "a thousand requests for one port in turn", grant_a_thousand },
        { "refused from another network namespace, but by netns any", grant_from_elsewhere },

        { "own mode: TCP and UDP, IPv4 and IPv6", own_each_kind },
        { "own mode: SO_REUSEPORT is for one user", own_shared_by_one_user },
        { "own mode: a UDP port of another stays its own", own_not_of_others },
        { "own mode: a TCP socket of another that does not listen yet", own_not_bound_tcp },
        { "own mode: IPv6 alone, beside another's IPv4", own_not_ipv4 },
        { "own mode: a socket of another network namespace", own_elsewhere },

        { "lowport run", program_run },
        { "lowport run --own", program_run_own },
        { "lowport_bind()", program_library },
        { "lowport wrap: a static program", program_wrap },
        { "lowport wrap: a thread with descriptors of its own", program_wrap_thread },
        { "lowport wrap: a program that signals interrupt", program_wrap_signals },
        { "lowport wrap: the supervisor ends", program_wrap_ends },

        { "reload: a good policy, and a bad one", policy_is_reloaded },
        { "a rule with a user and a unit", policy_with_units },
        { "a rule with a unit alone", policy_with_units_alone },
        { "lowport status, check, explain", policy_by_tools },
        { "protections", policy_protections },

        { "one user, and one capability where it is needed", process_privileges },
        { "killed: workers", process_killed_worker },
        { "killed: the binder", process_killed_binder },
        { "killed: lowportd", process_killed_daemon },

        { "a silent client is closed in time", limit_of_time },
        { "one user's connections beyond its share", limit_of_users },
        { "connections of many users beyond all workers", limit_of_workers },
        { "sockets granted and not taken", limit_of_grants },

        { "attack: descriptors with requests in open mode", attack_with_descriptors },
        { "attack: connections that linger in open mode", attack_with_lingering },
        { "attack: sockets whose lock is held in open mode", attack_with_held_lock },
        { "attack: files that never answer in open mode", attack_with_silence },
        { "attack: both in own mode", attack_with_silence_own },
        { "attack: the daemon ends though a worker is stuck", attack_until_the_end },
        { 0 },
};

int main(int argc, char **argv) {
        if (argc == 2 && strcmp(argv[1], "--serve-inherited") == 0)
                return program_serve_inherited();
        if (argc == 4 && strcmp(argv[1], "--serve") == 0)
                return program_serve(argv[2], argv[3]);
        kernel_find_out();
        kernel_print();
        return scenario_run_all(scenarios, argc == 2 ? argv[1] : NULL) > 0;
}
