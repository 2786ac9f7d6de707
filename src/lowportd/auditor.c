/* SPDX-License-Identifier: MIT */
#include "lowportd/auditor.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <lowport/lowport.h>

#include "lowportd/child.h"
#include "lowportd/clock.h"
#include "lowportd/entry.h"
#include "lowportd/journal.h"
#include "lowportd/log.h"

enum {
        BATCH = 64,        /* records read at once */
        NAMES = 64,        /* user names remembered */
        NAME_AGE = 60000,  /* milliseconds */
        QUIET_SLOTS = 64,  /* users whose noise is remembered */
        QUIET_TIME = 5000, /* milliseconds between two lines of a user's noise */
};

static const struct timespec gathering_time = { .tv_nsec = 5000000 };
static const struct timespec before_next = { .tv_sec = 1 };

struct name {
        uint32_t uid;
        uint64_t until;
        char text[64]; /* "" when it has none */
};

struct quiet {
        uint32_t uid;
        uint64_t until;
        uint64_t suppressed;
};

struct auditor {
        bool to_journal;
        struct name names[NAMES];
        struct quiet quiet[QUIET_SLOTS];
};

static const char *name_of(struct auditor *a, uint32_t uid) {
        struct name *name = &a->names[uid % NAMES];
        uint64_t now = clock_now();

        if (name->until <= now || name->uid != uid) {
                const struct passwd *user = getpwuid(uid);

                *name = (struct name){ .uid = uid, .until = now + NAME_AGE };
                if (user != NULL)
                        (void)snprintf(name->text, sizeof(name->text), "%s", user->pw_name);
        }
        return name->text[0] != '\0' ? name->text : NULL;
}

static void emit(const struct auditor *a, const struct entry *entry) {
        if (!a->to_journal || journal_send(entry) < 0)
                (void)fprintf(stderr, "%s\n", entry->message);
}

/* Noise is what any user can make without a rule's leave: connections over a limit, or that say
 * nothing, or nonsense. */
static bool is_noise(const struct record *record) {
        return record->kind == RECORD_CLOSED || record->reason == LOWPORT_OVER_LIMIT ||
               (record->reason >= LOWPORT_TOO_SHORT && record->reason <= LOWPORT_UNKNOWN_OPERATION);
}

static void emit_suppressed(const struct quiet *quiet) {
        if (quiet->suppressed > 0)
                (void)fprintf(stderr,
                              "limited log: %llu more of the kind from uid %u were not written\n",
                              (unsigned long long)quiet->suppressed,
                              quiet->uid);
}

/* One line of noise per user and time; the others are counted, and the count is told. */
static bool is_suppressed(struct auditor *a, const struct record *record) {
        struct quiet *quiet = &a->quiet[record->uid % QUIET_SLOTS];
        uint64_t now = clock_now();

        if (!is_noise(record))
                return false;
        if (quiet->uid == record->uid && now < quiet->until) {
                quiet->suppressed++;
                return true;
        }
        emit_suppressed(quiet);
        *quiet = (struct quiet){ .uid = record->uid, .until = now + QUIET_TIME };
        return false;
}

static void audit(struct auditor *a, const struct record *record) {
        static struct entry entry;
        struct record copy = *record;

        copy.path[sizeof(copy.path) - 1] = '\0';
        copy.unit[sizeof(copy.unit) - 1] = '\0';
        if (copy.kind < RECORD_REQUEST || copy.kind > RECORD_STUCK || is_suppressed(a, &copy))
                return;
        entry_write(
                &entry, &copy, copy.uid == UINT32_MAX ? NULL : name_of(a, copy.uid), a->to_journal);
        emit(a, &entry);
}

/* Writes what is in the batch, and empties it. If that fails (a full disk, perhaps) the next auditor
 * tries again, and what comes meanwhile waits in the pipe. */
static void write_batch(struct auditor *a, struct record batch[BATCH]) {
        for (size_t i = 0; i < BATCH; i++)
                audit(a, &batch[i]);
        if (fflush(stderr) != 0) {
                (void)nanosleep(&before_next, NULL);
                _exit(EXIT_FAILURE);
        }
        memset(batch, 0, BATCH * sizeof(*batch));
}

/* Reads whole records: that is how they are written, and reads of whole records keep it so. An
 * auditor that was killed has left in the batch what it had read and not written. */
static _Noreturn void run(int records, struct record batch[BATCH]) {
        static struct auditor auditor;
        ssize_t n;

        auditor.to_journal = journal_present();
        write_batch(&auditor, batch);
        while ((n = read(records, batch, BATCH * sizeof(*batch))) > 0 ||
               (n < 0 && errno == EINTR)) {
                write_batch(&auditor, batch);
                /* A record that comes alone wakes us, at the cost of the worker that sent it; after
                 * that they gather. */
                (void)nanosleep(&gathering_time, NULL);
        }
        for (size_t i = 0; i < QUIET_SLOTS; i++)
                emit_suppressed(&auditor.quiet[i]);
        (void)fflush(stderr);
        _exit(n < 0 && errno != EAGAIN ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void look_again(int signal) {
        (void)signal; /* read(2) starts anew, and then does not wait */
}

/* The batch lies in memory that outlives the auditor: what one has read is written by the next, some
 * of it perhaps for the second time. */
static struct record *map_batch(void) {
        static struct record *batch;
        void *memory;

        if (batch != NULL)
                return batch;
        memory = mmap(NULL,
                      BATCH * sizeof(*batch),
                      PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS,
                      -1,
                      0);
        if (memory != MAP_FAILED)
                batch = memory;
        return batch;
}

/* Should: write what it reads. Mustn't: have the capability, or end at a signal that is meant for
 * the manager; the last records are to be written. */
pid_t auditor_start(int records) {
        static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP };
        static const struct sigaction looking = { .sa_handler = look_again,
                                                  .sa_flags = SA_RESTART };
        static char buffer[64 * 1024];
        struct record *batch = map_batch();
        pid_t pid = batch != NULL ? fork() : -1;

        if (pid != 0)
                return pid < 0 ? -errno : pid;
        for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
                (void)signal(ignored[i], SIG_IGN);
        (void)sigaction(SIGURG, &looking, NULL);
        records = child_begin("lowportd-audit", records);
        (void)setvbuf(stderr, buffer, _IOFBF, sizeof(buffer));
        run(records, batch);
}

/* The end of the pipe is one for both processes, and so are its flags. SIGURG is ignored where it
 * comes too early; the flag is there then. */
void auditor_finish(pid_t auditor, int records) {
        (void)fcntl(records, F_SETFL, O_NONBLOCK);
        (void)kill(auditor, SIGURG);
}
