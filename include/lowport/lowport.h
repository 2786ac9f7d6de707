/* SPDX-License-Identifier: MIT */
#ifndef LOWPORT_LOWPORT_H
#define LOWPORT_LOWPORT_H

/**
 * liblowport: listen on a low port without a privilege of one's own.
 *
 * A program asks the Lowport daemon for a socket that is bound to, say, port 80 and gets it back
 * as a descriptor, if the administrator's policy grants it:
 *
 *     int fd = lowport_open(NULL, IPPROTO_TCP, NULL, 80, 0, 0);
 *     if (fd < 0)
 *             err(1, "cannot listen on port 80");
 *
 * With a handle a program keeps one connection for several requests, and learns why one was
 * refused:
 *
 *     struct lowport *lp = lowport_new(NULL);
 *     int fd = lowport_open(lp, IPPROTO_TCP, "127.0.0.1", 443, 0, 0);
 *     if (fd < 0)
 *             errx(1, "%s", lowport_message(lp));
 *     lowport_free(lp);
 *
 * Threads: there is no global state and no signal handler. A handle belongs to one thread at a
 * time; calls with NULL for the handle, and calls with different handles, may run at once. After
 * fork(2) parent and child may both go on with the handle: the child connects anew. Every
 * descriptor is close-on-exec. No call raises SIGPIPE.
 *
 * Kernel: Linux 6.1 or later.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is built with all other names hidden. */
#pragma GCC visibility push(default)

/** The daemon's socket, unless $LOWPORT_SOCKET or the caller names another. */
#define LOWPORT_SOCKET_PATH "/run/lowport/socket"

/** The daemon's socket for lowport_bind(), unless $LOWPORT_OWN_SOCKET names another. */
#define LOWPORT_OWN_SOCKET_PATH "/run/lowport/own.socket"

/** Why a request was granted, refused or failed. The first block travels in the protocol, the
 *  second is the library's own. Values never change; later versions may add some. */
enum lowport_reason {
        LOWPORT_GRANTED = 0,
        LOWPORT_RULE_DENIES = 1,           /**< EACCES: a deny rule matches */
        LOWPORT_NO_RULE = 2,               /**< EACCES: no allow rule matches */
        LOWPORT_ADDRESS_IN_USE = 3,        /**< EADDRINUSE: somebody holds the port */
        LOWPORT_ADDRESS_NOT_AVAILABLE = 4, /**< EADDRNOTAVAIL: not an address of this host */
        LOWPORT_NOT_LOW_PORT = 5,          /**< EINVAL: needs no privilege, bind it yourself */
        LOWPORT_OTHER_NETNS = 6,           /**< EACCES: the caller's network namespace is another */
        LOWPORT_UNSUITABLE_SOCKET = 7,     /**< EINVAL: the socket sent cannot be bound */
        LOWPORT_OVER_LIMIT = 8,            /**< EAGAIN: too many requests of this user, or in all */
        LOWPORT_TOO_SHORT = 9,             /**< EBADMSG: the request has too few bytes */
        LOWPORT_TOO_LONG = 10,             /**< EBADMSG: the request has too many bytes */
        LOWPORT_MALFORMED = 11,            /**< EBADMSG: a field of the request is out of range */
        LOWPORT_UNSUPPORTED_VERSION = 12,  /**< EPROTONOSUPPORT: not a version the daemon speaks */
        LOWPORT_UNKNOWN_OPERATION = 13,    /**< EOPNOTSUPP: not an operation of this socket */
        LOWPORT_UNMAPPED_USER = 14,        /**< EACCES: the caller's uid has no meaning here */
        LOWPORT_EXHAUSTED = 15,            /**< the errno says of what there is none left */
        LOWPORT_BIND_FAILED = 16,          /**< the errno says why the kernel refused */

        LOWPORT_UNREACHABLE = 100,  /**< the errno of connect(2): no daemon answers there */
        LOWPORT_TIMED_OUT = 101,    /**< ETIMEDOUT: the daemon did not answer in time */
        LOWPORT_BAD_REPLY = 102,    /**< EPROTO: the answer is not one of this protocol */
        LOWPORT_BAD_ARGUMENT = 103, /**< EINVAL: the call's own arguments */
};

/** Flags of lowport_open() and lowport_check(). */
enum lowport_flags {
        LOWPORT_V6ONLY = 1 << 0,    /**< an IPv6 wildcard takes IPv6 only (IPV6_V6ONLY) */
        LOWPORT_NO_LISTEN = 1 << 1, /**< TCP, SCTP: bound, but not listening yet */
        LOWPORT_FREEBIND = 1 << 2,  /**< the address need not exist yet (IP_FREEBIND) */
};

/** One connection to the daemon; opaque. */
struct lowport;

/**
 * Makes a handle. It connects at the first request, and again when the daemon was restarted.
 *
 * @param path  the daemon's socket; NULL: $LOWPORT_SOCKET, or LOWPORT_SOCKET_PATH. Copied.
 * @return the handle, to be freed with lowport_free(); NULL with errno ENOMEM or ENAMETOOLONG.
 */
struct lowport *lowport_new(const char *path);

/** Closes the connection and frees the handle. NULL is allowed. @return NULL, always. */
struct lowport *lowport_free(struct lowport *lp);

/**
 * How long a request may take in all, connecting included.
 *
 * @param milliseconds  1 to 3,600,000; the default is 10,000.
 * @return 0; -1 with errno EINVAL.
 */
int lowport_set_timeout(struct lowport *lp, unsigned milliseconds);

/**
 * Asks the daemon for a bound socket.
 *
 * TCP and SCTP sockets are listening unless LOWPORT_NO_LISTEN says otherwise, and have
 * SO_REUSEADDR set then. The socket belongs to the daemon's network namespace. It is blocking and
 * close-on-exec.
 *
 * @param lp        a handle; NULL: connect, ask once, and disconnect.
 * @param protocol  IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP.
 * @param address   an IPv4 or IPv6 address in text, a link-local one with its zone ("fe80::1%eth0");
 *                  an IPv4-mapped one gives an IPv4 socket. NULL: every address, as "::", which
 *                  takes IPv4 too; where the host has no IPv6, as "0.0.0.0".
 * @param port      1 to 65535, host byte order.
 * @param flags     enum lowport_flags, or 0.
 * @param backlog   of listen(2), 1 to INT_MAX; 0: as many as the kernel allows. Ignored for UDP.
 * @return the descriptor, which the caller closes; -1 with errno set to the true error:
 *         EACCES (denied), EADDRINUSE, EADDRNOTAVAIL, EAGAIN (over a limit, still so at the end of
 *         the timeout), ETIMEDOUT, EINVAL, EPROTO (daemon and library do not understand each
 *         other), ENOENT or ECONNREFUSED (no daemon there), or whatever socket(2), bind(2) or
 *         listen(2) said in the daemon.
 */
int lowport_open(struct lowport *lp,
                 int protocol,
                 const char *address,
                 uint16_t port,
                 unsigned flags,
                 int backlog);

/**
 * Asks whether lowport_open() with these arguments would be granted. Nothing is bound: a port that
 * is in use is still granted.
 *
 * @return 0; -1 with errno as lowport_open() has it. Parameters as there.
 */
int lowport_check(struct lowport *lp,
                  int protocol,
                  const char *address,
                  uint16_t port,
                  unsigned flags);

/**
 * bind(2) for programs without a privilege: the same arguments, the same result, the same errno.
 *
 * It calls bind(2) itself and asks the daemon only where that says EACCES for an IP socket; so a
 * program that uses it also works as root, with the capability, or where the port needs no
 * privilege. The daemon then binds the very socket `fd` in place: it stays the caller's own, in the
 * caller's network namespace and cgroup, and every option that was set on it stays set.
 *
 * May be called in any thread, and in a child of fork(2). It keeps no state, raises no signal and
 * leaves no descriptor open. It may take up to 10 seconds where the daemon does not answer.
 *
 * Kernel: SO_NETNS_COOKIE, Linux 5.14. The daemon's socket is $LOWPORT_OWN_SOCKET, or
 * LOWPORT_OWN_SOCKET_PATH; it may be used by root and the members of the group "lowport".
 *
 * @param fd       a socket; the caller keeps it. TCP (MPTCP too), UDP or SCTP is for the daemon.
 * @param addr     the address, as bind(2) takes it.
 * @param addrlen  its size in bytes; every size that bind(2) accepts.
 * @return 0; -1 with errno as bind(2) has it: EACCES (no privilege, and the policy does not grant
 *         it or no daemon answers), EADDRINUSE, EADDRNOTAVAIL, EINVAL, EBADF, ENOTSOCK, ...;
 *         EAGAIN where the daemon is over a limit and stays so; EMFILE, ENFILE, ENOMEM where
 *         caller or daemon have none left.
 */
int lowport_bind(int fd, const struct sockaddr *addr, socklen_t addrlen);

/** What confines the daemon's trusted part, as bits of lowport_status.protections. A kernel may lack
 *  some; the daemon works without them. Later versions may add bits. */
enum lowport_protection {
        LOWPORT_PROTECTION_NO_NEW_PRIVILEGES = 1 << 0, /**< execve(2) gives it none */
        LOWPORT_PROTECTION_LIMITS = 1 << 1,            /**< no core, no tracing, bounded memory */
        LOWPORT_PROTECTION_ONE_CAPABILITY = 1 << 2,    /**< no other in the bounding set */
        LOWPORT_PROTECTION_NO_ROOT = 1 << 3,           /**< uid 0 is nobody: locked securebits */
        LOWPORT_PROTECTION_SYSTEM_CALLS = 1 << 4,      /**< none but those listed: seccomp */
        LOWPORT_PROTECTION_FILES = 1 << 5,             /**< it opens none: Landlock */
        LOWPORT_PROTECTION_TCP_PORTS = 1 << 6,         /**< those of the rules: Linux 6.7 */
        LOWPORT_PROTECTION_SIGNALS = 1 << 7,           /**< to its workers alone: Linux 6.12 */
        LOWPORT_PROTECTION_NO_DESCRIPTORS = 1 << 8,    /**< none uninvited: Linux 6.16 */
};

/** Counters since the daemon started, and its state. */
struct lowport_status {
        uint64_t uptime;           /**< seconds */
        uint64_t granted;          /**< sockets handed out */
        uint64_t denied;           /**< refused by the policy */
        uint64_t failed;           /**< granted, but the kernel refused */
        uint64_t over_limit;       /**< refused because of a limit */
        uint64_t malformed;        /**< not understood */
        uint64_t evicted;          /**< connections that gave way to others */
        uint64_t abandoned;        /**< of these, with a socket the client had not taken yet */
        uint64_t records_lost;     /**< audit records that found their queue full */
        uint32_t generation;       /**< how many times a policy was loaded */
        uint32_t rules;            /**< in the policy in force */
        uint32_t workers;          /**< processes that serve the open mode */
        uint32_t workers_idle;     /**< of these, free for the next client */
        uint32_t workers_stuck;    /**< left behind, because the kernel does not let them go */
        uint32_t workers_max;      /**< limit of `workers` */
        uint32_t workers_per_user; /**< limit of connections per uid, in both modes */
        uint32_t protections;      /**< enum lowport_protection */
        char version[32];          /**< the daemon's release */
        uint32_t own_workers;      /**< processes that serve the own mode */
        uint32_t own_workers_idle; /**< of these, free for the next client */
        uint32_t own_workers_max;  /**< limit of `own_workers` and stuck ones together */
        uint32_t own_per_user;     /**< limit of sockets that a uid may have sent at once */
        uint32_t stuck_uid;        /**< the uid that most of `workers_stuck` served */
        uint32_t stuck_of_uid;     /**< how many those are; 0: `stuck_uid` means nothing */
        uint64_t timed_out;        /**< connections closed because no request came in time */
        uint64_t turned_away;      /**< connections refused, since no descriptor was left */
};

/**
 * Asks for the daemon's state.
 *
 * @param ret   written on success, as far as `size` reaches.
 * @param size  sizeof(struct lowport_status) of the caller.
 * @return 0; -1 with errno as lowport_open() has it.
 */
int lowport_status(struct lowport *lp, struct lowport_status *ret, size_t size);

/** Why the last call with this handle ended as it did. */
enum lowport_reason lowport_reason(const struct lowport *lp);

/**
 * The same in words, without a full stop, for example
 * "denied: no rule allows this to uid 1001". Never NULL; valid until the next call with this
 * handle.
 */
const char *lowport_message(const struct lowport *lp);

/**
 * The rule that decided the last lowport_open() or lowport_check().
 *
 * @param ret_path  the policy file as the daemon knows it; valid until the next call with this
 *                  handle. Not written when there is none.
 * @param ret_line  its line, from 1.
 * @return 1 if a rule decided, 0 if none did.
 */
int lowport_rule(const struct lowport *lp, const char **ret_path, unsigned *ret_line);

/**
 * The caller's uid as the daemon sees it: in a container not the one that getuid(2) tells.
 *
 * @return the uid; (uint32_t)-1 if the daemon did not answer the last call.
 */
uint32_t lowport_uid(const struct lowport *lp);

/** A few words for a reason, for example "address in use". Never NULL. */
const char *lowport_reason_text(enum lowport_reason reason);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
