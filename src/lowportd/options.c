/* SPDX-License-Identifier: MIT */
#include "lowportd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <lowport/lowport.h>

#include "lowportd/log.h"

static const char help[] =
        "Usage: lowportd [OPTION]…\n"
        "Lets unprivileged programs listen on low ports, as a policy allows. Stays in the "
        "foreground.\n"
        "\n"
        "  --policy PATH           a policy file, or a directory with *.conf; may be repeated\n"
        "                          (default: " LOWPORT_POLICY_DIR
        "/policy.conf and policy.d/*.conf)\n"
        "  --socket PATH           the socket to make for the open mode\n"
        "  --own-socket PATH       the socket to make for the own mode; with neither option both "
        "are\n"
        "                          made: " LOWPORT_SOCKET_PATH " and own.socket beside it;\n"
        "                          not used when the service manager passes sockets named "
        "\"open\"\n"
        "                          and \"own\"\n"
        "  --binder PATH           the lowport-binder to run\n"
        "  --user NAME             the user to become when started as root (default: lowport)\n"
        "  --watch                 load the policy again when one of its files changes\n"
        "  --check                 check the policy and exit: 0, or 1 and what is wrong\n"
        "  --version, --help\n"
        "\n"
        "Limits:\n"
        "  --workers N             clients served at once in open mode (1-1024, default 256)\n"
        "  --workers-per-user N    connections of one user at once, in both modes (default 64)\n"
        "  --own-workers N         clients served at once in own mode, and workers left stuck "
        "there\n"
        "                          (4-1024, default 256)\n"
        "  --own-per-user N        of these, sockets of one user (default 32)\n"
        "  --spare N               idle workers kept ready (1-64, default 4)\n"
        "  --request-timeout SEC   time for a client's first request (1-3600, default 5)\n"
        "  --idle-timeout SEC      time before each next one (1-86400, default 60)\n"
        "  --unread-per-user N     sockets granted to a user and not taken yet (default 16)\n"
        "  --record-queue N        audit records that may wait (16-4096, default 4096)\n"
        "  --log-burst N           records of one user that are written at once (1-10000, default "
        "100),\n"
        "  --log-rate N            and then each second (1-1000, default 5; 0: no limit); of\n"
        "                          grants ten times as many\n"
        "\n"
        "SIGHUP loads the policy again; SIGTERM ends it. See lowportd(8).\n";

enum {
        OPTION_POLICY = 256,
        OPTION_SOCKET,
        OPTION_OWN_SOCKET,
        OPTION_BINDER,
        OPTION_USER,
        OPTION_WATCH,
        OPTION_CHECK,
        OPTION_WORKERS,
        OPTION_WORKERS_PER_USER,
        OPTION_OWN_WORKERS,
        OPTION_OWN_PER_USER,
        OPTION_SPARE,
        OPTION_REQUEST_TIMEOUT,
        OPTION_IDLE_TIMEOUT,
        OPTION_UNREAD_PER_USER,
        OPTION_RECORD_QUEUE,
        OPTION_LOG_BURST,
        OPTION_LOG_RATE,
        OPTION_VERSION,
        OPTION_HELP,
};

static const struct option long_options[] = {
        { "policy", required_argument, NULL, OPTION_POLICY },
        { "socket", required_argument, NULL, OPTION_SOCKET },
        { "own-socket", required_argument, NULL, OPTION_OWN_SOCKET },
        { "binder", required_argument, NULL, OPTION_BINDER },
        { "user", required_argument, NULL, OPTION_USER },
        { "watch", no_argument, NULL, OPTION_WATCH },
        { "check", no_argument, NULL, OPTION_CHECK },
        { "workers", required_argument, NULL, OPTION_WORKERS },
        { "workers-per-user", required_argument, NULL, OPTION_WORKERS_PER_USER },
        { "own-workers", required_argument, NULL, OPTION_OWN_WORKERS },
        { "own-per-user", required_argument, NULL, OPTION_OWN_PER_USER },
        { "spare", required_argument, NULL, OPTION_SPARE },
        { "request-timeout", required_argument, NULL, OPTION_REQUEST_TIMEOUT },
        { "idle-timeout", required_argument, NULL, OPTION_IDLE_TIMEOUT },
        { "unread-per-user", required_argument, NULL, OPTION_UNREAD_PER_USER },
        { "record-queue", required_argument, NULL, OPTION_RECORD_QUEUE },
        { "log-burst", required_argument, NULL, OPTION_LOG_BURST },
        { "log-rate", required_argument, NULL, OPTION_LOG_RATE },
        { "version", no_argument, NULL, OPTION_VERSION },
        { "help", no_argument, NULL, OPTION_HELP },
        { NULL, 0, NULL, 0 },
};

/* Reads a number from `low` to `high`, times `unit`; says what is wrong with it. */
static bool number(const char *name,
                   const char *text,
                   uint32_t low,
                   uint32_t high,
                   uint32_t unit,
                   uint32_t *ret) {
        char *end;
        unsigned long value;

        errno = 0;
        value = strtoul(text, &end, 10);
        if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || value < low ||
            value > high) {
                log_error("--%s '%s': expected a number from %u to %u", name, text, low, high);
                return false;
        }
        *ret = (uint32_t)value * unit;
        return true;
}

/* One option with a number. */
static bool limit(int option, const char *name, const char *text, struct options *o) {
        struct orders *limits = &o->limits;

        switch (option) {
        case OPTION_WORKERS:
                return number(name, text, 1, WORKERS_LIMIT, 1, &limits->workers);
        case OPTION_WORKERS_PER_USER:
                return number(name, text, 1, WORKERS_LIMIT, 1, &limits->workers_per_user);
        case OPTION_OWN_WORKERS:
                return number(name, text, 4, WORKERS_LIMIT, 1, &limits->own_workers);
        case OPTION_OWN_PER_USER:
                return number(name, text, 1, WORKERS_LIMIT, 1, &limits->own_per_user);
        case OPTION_SPARE:
                return number(name, text, 1, 64, 1, &limits->spare);
        case OPTION_REQUEST_TIMEOUT:
                return number(name, text, 1, 3600, 1000, &limits->request_timeout);
        case OPTION_IDLE_TIMEOUT:
                return number(name, text, 1, 86400, 1000, &limits->idle_timeout);
        case OPTION_UNREAD_PER_USER:
                return number(name, text, 1, WORKERS_LIMIT, 1, &limits->unread_per_user);
        case OPTION_LOG_BURST:
                return number(name, text, 1, 10000, 1, &o->log_burst);
        case OPTION_LOG_RATE:
                return number(name, text, 0, 1000, 1, &o->log_rate);
        default:
                return number(name, text, 16, 4096, 1, &o->record_queue);
        }
}

int options_parse(int argc, char **argv, struct options *ret) {
        struct options o = {
                .record_queue = 4096,
                .log_burst = 100,
                .log_rate = 5,
                .limits = {
                        .version = ORDERS_VERSION,
                        .workers = 256,
                        .workers_per_user = 64,
                        .own_workers = 256,
                        .own_per_user = 32,
                        .spare = 4,
                        .request_timeout = 5000,
                        .idle_timeout = 60000,
                        .unread_per_user = 16,
                },
        };
        int c, index = 0;

        while ((c = getopt_long(argc, argv, "h", long_options, &index)) >= 0) {
                switch (c) {
                case OPTION_POLICY:
                        if (o.n_policies == POLICIES_MAX) {
                                log_error("--policy: at most %d; a directory can hold more files",
                                          POLICIES_MAX);
                                return 2;
                        }
                        o.policies[o.n_policies++] = optarg;
                        break;
                case OPTION_SOCKET:
                        o.socket = optarg;
                        break;
                case OPTION_OWN_SOCKET:
                        o.own_socket = optarg;
                        break;
                case OPTION_BINDER:
                        o.binder = optarg;
                        break;
                case OPTION_USER:
                        o.user = optarg;
                        break;
                case OPTION_WATCH:
                        o.watch = true;
                        break;
                case OPTION_CHECK:
                        o.check = true;
                        break;
                case OPTION_VERSION:
                        (void)puts("lowportd " LOWPORT_VERSION);
                        return 0;
                case OPTION_HELP:
                case 'h':
                        (void)fputs(help, stdout);
                        return 0;
                case '?':
                        (void)fputs("See lowportd --help.\n", stderr);
                        return 2;
                default:
                        if (!limit(c, long_options[index].name, optarg, &o))
                                return 2;
                }
        }
        if (optind < argc) {
                log_error("'%s': lowportd takes options only; see lowportd --help", argv[optind]);
                return 2;
        }
        *ret = o;
        return -1;
}
