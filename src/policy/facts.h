/* SPDX-License-Identifier: MIT */
#pragma once

/* What a policy depends on beside its text: facts of the machine and of the user and network
 * namespaces that this process is in. */

#include <stdbool.h>
#include <stdint.h>

struct compile_facts {
        uint32_t overflow_uid; /* what an unmapped uid shows as, RULESET_NONE if all are mapped */
        uint32_t overflow_gid;
        uint32_t port_max; /* the highest port that a policy may grant */
        bool peer_pidfd;   /* the kernel has SO_PEERPIDFD, so a peer's unit can be established */
};

/* Reads them from /proc and the kernel. Where /proc does not tell, the cautious value is taken. */
void compile_facts_read(struct compile_facts *ret);

/* What the overflow id is, given the contents of a uid_map or gid_map (NULL: not known) and of
 * /proc/sys/kernel/overflowuid or overflowgid (the same). */
uint32_t facts_overflow_id(const char *map, const char *overflow);

/* The highest port to grant, given /proc/sys/net/ipv4/ip_unprivileged_port_start (the same). */
uint32_t facts_port_max(const char *start);
