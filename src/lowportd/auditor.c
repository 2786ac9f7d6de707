/* SPDX-License-Identifier: MIT */
#include "lowportd/auditor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/record.h"
#include "lowportd/child.h"
#include "lowportd/clock.h"
#include "lowportd/entry.h"
#include "lowportd/journal.h"
#include "lowportd/limiter.h"
#include "lowportd/lines.h"

enum {
        BATCH = 64,             /* records read at once */
        NAMES = 64,             /* user names remembered */
        NAME_AGE = 60000,       /* milliseconds */
        LOST_INTERVAL = 1000,   /* milliseconds between two lines about lost records */
        DEATHS_BY_A_RECORD = 3, /* auditors that may die of the same one */
};

static const struct timespec gathering_time = { .tv_nsec = 5000000 };

struct name {
        uint32_t uid;
        uint64_t until;
        char text[64]; /* "" when it has none */
};

/* The records that were not written, and why. */
struct loss {
        uint64_t count;
        uint64_t due; /* when to tell */
};

struct audit {
        struct record hand[BATCH]; /* read and not done with yet; of others the kind is 0 */
        uint32_t deaths;           /* of auditors, since one was last done with its hand */
        struct loss full;          /* the queue was */
        struct loss unwritten;     /* standard error did not take them */
        int write_error;           /* why not */
        struct limiter limiter;
};

struct auditor {
        struct audit *audit;
        bool to_journal;
        struct name names[NAMES];
        struct entry entry;
        struct lines lines;
};

static const char *name_of(struct auditor *a, uint32_t uid) {
        struct name *name = &a->names[uid % NAMES];
        uint64_t now = clock_now();

        if (uid == UINT32_MAX)
                return NULL;
        if (name->until <= now || name->uid != uid) {
                const struct passwd *user = getpwuid(uid);

                *name = (struct name){ .uid = uid, .until = now + NAME_AGE };
                if (user != NULL)
                        (void)snprintf(name->text, sizeof(name->text), "%s", user->pw_name);
        }
        return name->text[0] != '\0' ? name->text : NULL;
}

/* ---- what is written ---- */

static void note_unwritten(struct auditor *a, uint64_t count, int error) {
        if (count == 0)
                return;
        a->audit->unwritten.count += count;
        a->audit->write_error = -error;
}

static void flush(struct auditor *a) {
        uint64_t dropped;
        int r = lines_flush(&a->lines, &dropped);

        note_unwritten(a, dropped, r);
}

static void add_line(struct auditor *a, uint64_t records) {
        uint64_t dropped;
        int r = lines_add(&a->lines, a->entry.message, a->entry.details, records, &dropped);

        note_unwritten(a, dropped, r);
}

/* Notices are the same in both places. */
static void emit_notice(struct auditor *a, uint64_t records) {
        if (!a->to_journal || journal_send(&a->entry) < 0)
                add_line(a, records);
}

static void emit(struct auditor *a, struct record *record) {
        const char *user = name_of(a, record->uid);

        entry_write(&a->entry, record, user, a->to_journal);
        if (a->to_journal && journal_send(&a->entry) == 0) {
                record->kind = 0; /* done with; a line is when it has been written */
                return;
        }
        if (a->to_journal)
                entry_write(&a->entry, record, user, false);
        add_line(a, 1);
}

static void tell_loss(struct auditor *a, struct loss *loss, const char *why, bool now) {
        uint64_t time = clock_now(), count = loss->count;

        if (count == 0 || (!now && time < loss->due))
                return;
        loss->due = time + LOST_INTERVAL;
        entry_write_lost(&a->entry, count, why);
        emit_notice(a, count);
        flush(a);
        loss->count -= count; /* where that failed, as many have come */
}

static uint64_t microseconds(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* What was not written is told: now, at the end, or else as soon as it is due. */
static void tell(struct auditor *a, bool now) {
        struct audit *audit = a->audit;
        uint64_t time = now ? UINT64_MAX : microseconds();
        struct suppression suppression;
        struct allowance *allowance;
        size_t cursor = 0;

        tell_loss(a, &audit->full, "the queue was full", now);
        tell_loss(a, &audit->unwritten, strerror(audit->write_error), now);
        while ((allowance = limiter_next(&audit->limiter, time, &cursor, &suppression)) != NULL) {
                bool one = suppression.first == suppression.last;

                entry_write_suppressed(
                        &a->entry, &suppression, one ? name_of(a, suppression.first) : NULL);
                emit_notice(a, 0);
                flush(a);
                limiter_told(allowance);
        }
}

/* ---- what is read ---- */

static void work_on(struct auditor *a, struct record *record) {
        bool admitted = entry_admits(record);

        if (record->kind == RECORD_LOST) {
                a->audit->full.count += record->count;
                record->kind = 0;
        } else if (!admitted || !limiter_allow(&a->audit->limiter,
                                               microseconds(),
                                               record->uid,
                                               entry_verdict(record))) {
                record->kind = 0;
        } else {
                emit(a, record);
        }
}

static void let_go(struct audit *audit) {
        for (size_t i = 0; i < BATCH; i++)
                audit->hand[i].kind = 0;
        audit->deaths = 0;
}

static void work_off_hand(struct auditor *a) {
        for (size_t i = 0; i < BATCH; i++)
                if (a->audit->hand[i].kind != 0)
                        work_on(a, &a->audit->hand[i]);
        flush(a);
        let_go(a->audit);
}

/* What the one before had in its hand is written now; but if several have died of it, it is what they
 * died of. */
static void take_over(struct auditor *a) {
        struct audit *audit = a->audit;
        uint64_t count = 0;

        audit->limiter.due = 0; /* it may have been telling */
        for (size_t i = 0; i < BATCH; i++)
                count += audit->hand[i].kind != 0;
        if (count == 0)
                return;
        if (audit->deaths++ < DEATHS_BY_A_RECORD) {
                work_off_hand(a);
                return;
        }
        entry_write_lost(&a->entry, count, "the auditor died of them");
        emit_notice(a, count);
        flush(a);
        let_go(audit);
}

static uint64_t sooner(uint64_t due, const struct loss *loss) {
        return loss->count > 0 && loss->due * 1000 < due ? loss->due * 1000 : due;
}

/* Waits until there is something to read, or something to tell. Returns false for the latter. With
 * nothing to tell read(2) waits: see auditor_finish(). */
static bool wait_for_records(const struct audit *audit, int records) {
        struct pollfd poller = { .fd = records, .events = POLLIN };
        uint64_t now = microseconds(), due = audit->limiter.due;

        due = sooner(due, &audit->full);
        due = sooner(due, &audit->unwritten);
        if (due == UINT64_MAX)
                return true;
        return poll(&poller, 1, due > now ? (int)((due - now) / 1000) + 1 : 0) != 0;
}

/* Reads whole records: that is how they are written, and reads of whole records keep it so. */
static ssize_t read_records(const struct auditor *a, int records) {
        ssize_t n;

        if (!wait_for_records(a->audit, records))
                return -EINTR;
        n = read(records, a->audit->hand, sizeof(a->audit->hand));
        return n < 0 ? -errno : n;
}

static _Noreturn void run(struct audit *audit, int records) {
        static struct auditor auditor;
        ssize_t n;

        auditor.audit = audit;
        auditor.to_journal = journal_present();
        take_over(&auditor);
        while ((n = read_records(&auditor, records)) > 0 || n == -EINTR) {
                if (n > 0)
                        work_off_hand(&auditor);
                tell(&auditor, false);
                /* A record that comes alone wakes us, at the cost of the worker that sent it; after
                 * that they gather. */
                (void)nanosleep(&gathering_time, NULL);
        }
        tell(&auditor, true);
        _exit(n < 0 && n != -EAGAIN ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void look_again(int signal) {
        (void)signal; /* read(2) starts anew, and then does not wait */
}

struct audit *auditor_prepare(const struct options *options) {
        uint64_t seed = 0;
        struct audit *audit = mmap(
                NULL, sizeof(*audit), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (audit == MAP_FAILED)
                return NULL;
        (void)!getrandom(&seed, sizeof(seed), 0);
        limiter_begin(&audit->limiter, options->log_rate, options->log_burst, seed);
        return audit;
}

/* Should: write what it reads. Mustn't: have the capability, or end at a signal that is meant for
 * the manager; the last records are to be written. */
pid_t auditor_start(struct audit *audit, int records) {
        static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP };
        static const struct sigaction looking = { .sa_handler = look_again,
                                                  .sa_flags = SA_RESTART };
        pid_t pid = fork();

        if (pid != 0)
                return pid < 0 ? -errno : pid;
        for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
                (void)signal(ignored[i], SIG_IGN);
        (void)sigaction(SIGURG, &looking, NULL);
        run(audit, child_begin("lowportd-audit", records));
}

/* The end of the pipe is one for both processes, and so are its flags. SIGURG is ignored where it
 * comes too early; the flag is there then. */
void auditor_finish(pid_t auditor, int records) {
        (void)fcntl(records, F_SETFL, O_NONBLOCK);
        (void)kill(auditor, SIGURG);
}
