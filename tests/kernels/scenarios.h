/* SPDX-License-Identifier: MIT */
#pragma once

/* The scenarios, by file; each is what its name in main.c says. */

/* grants.c */
void grant_each_kind(void);
void grant_not(void);
void grant_not_what_is_malformed(void);
void grant_a_thousand(void);
void grant_from_elsewhere(void);

/* policy.c */
void policy_is_reloaded(void);
void policy_with_units(void);
void policy_with_units_alone(void);
void policy_by_tools(void);
void policy_protections(void);

/* processes.c */
void process_privileges(void);
void process_killed_worker(void);
void process_killed_binder(void);
void process_killed_daemon(void);

/* own.c */
void own_each_kind(void);
void own_shared_by_one_user(void);
void own_not_of_others(void);
void own_not_bound_tcp(void);
void own_not_ipv4(void);
void own_elsewhere(void);

/* programs.c */
void program_run(void);
void program_run_own(void);
void program_library(void);
void program_wrap(void);
void program_wrap_thread(void);
void program_wrap_signals(void);
void program_wrap_ends(void);

/* limits.c */
void limit_of_time(void);
void limit_of_users(void);
void limit_of_workers(void);
void limit_of_grants(void);

/* attacks.c */
void attack_with_descriptors(void);
void attack_with_lingering(void);
void attack_with_held_lock(void);
void attack_with_silence(void);
void attack_with_silence_own(void);
void attack_until_the_end(void);
