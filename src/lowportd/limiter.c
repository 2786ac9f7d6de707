/* SPDX-License-Identifier: MIT */
#include "lowportd/limiter.h"

#include <string.h>

enum {
        MORE = 10, /* so many times a user's: the allowance for grants, and that of many users */
        N_ALLOWANCES = LIMITER_SETS * LIMITER_WAYS,
};

/* Keys. A user's is its uid and 1. */
static const uint64_t block_size = 65536, blocks = UINT64_C(1) << 33, further = UINT64_MAX;

void limiter_begin(struct limiter *limiter, uint32_t rate, uint32_t burst, uint64_t seed) {
        limiter->step = rate > 0 ? 1000000 / rate : 0;
        limiter->window = limiter->step * burst;
        limiter->seed = seed;
        limiter->due = UINT64_MAX;
        limiter->further.key = further;
}

static bool has_suppressed(const struct allowance *allowance) {
        for (size_t i = 0; i < VERDICTS; i++)
                if (allowance->suppressed[i] != 0)
                        return true;
        return false;
}

/* One that is whole, and of which there is nothing to tell, is as good as a new one. */
static bool is_idle(const struct allowance *allowance, uint64_t now) {
        return allowance->full_at[0] <= now && allowance->full_at[1] <= now &&
               !has_suppressed(allowance);
}

/* The set of a key: the finalizer of SplitMix64, keyed. */
static struct allowance *set_of(struct limiter *limiter, uint64_t key) {
        uint64_t hash = key ^ limiter->seed;

        hash = (hash ^ (hash >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        hash = (hash ^ (hash >> 27)) * UINT64_C(0x94d049bb133111eb);
        return limiter->sets[(hash ^ (hash >> 31)) % LIMITER_SETS];
}

static struct allowance *find(struct limiter *limiter, uint64_t key, uint64_t now) {
        struct allowance *set = set_of(limiter, key), *idle = NULL;

        for (size_t i = 0; i < LIMITER_WAYS; i++) {
                if (set[i].key == key)
                        return &set[i];
                if (idle == NULL && is_idle(&set[i], now))
                        idle = &set[i];
        }
        if (idle == NULL)
                return &limiter->further;
        *idle = (struct allowance){ .key = key };
        return idle;
}

static uint64_t
cost(const struct limiter *limiter, const struct allowance *allowance, bool granted) {
        uint64_t step = limiter->step;

        if (granted)
                step /= MORE;
        return allowance->key >= blocks ? step / MORE : step;
}

/* An allowance is the time at which it will be whole again: each record puts that off. */
static bool
take(const struct limiter *limiter, struct allowance *allowance, uint64_t now, bool granted) {
        uint64_t *full_at = &allowance->full_at[granted], from = *full_at > now ? *full_at : now;
        uint64_t step = cost(limiter, allowance, granted);

        if (from + step > now + limiter->window)
                return false;
        *full_at = from + step;
        return true;
}

static bool
suppress(struct limiter *limiter, struct allowance *allowance, uint64_t now, enum verdict verdict) {
        if (!has_suppressed(allowance))
                allowance->due = now + LIMITER_INTERVAL;
        if (allowance->due < limiter->due)
                limiter->due = allowance->due;
        allowance->suppressed[verdict]++;
        return false;
}

bool limiter_allow(struct limiter *limiter, uint64_t now, uint32_t uid, enum verdict verdict) {
        bool granted = verdict == VERDICT_GRANTED;
        struct allowance *user, *block;

        if (limiter->step == 0)
                return true;
        user = find(limiter, (uint64_t)uid + 1, now);
        if (!take(limiter, user, now, granted))
                return suppress(limiter, user, now, verdict);
        if (uid < block_size)
                return true;
        block = find(limiter, blocks + uid / block_size, now);
        if (take(limiter, block, now, granted))
                return true;
        /* It is the block's, and not to be paid by the user, who so leaves no trace here. */
        user->full_at[granted] -= cost(limiter, user, granted);
        return suppress(limiter, block, now, verdict);
}

static struct suppression describe(const struct allowance *allowance) {
        uint64_t first = allowance->key - 1, last = first;
        struct suppression suppression;

        if (allowance->key == further) {
                first = 0;
                last = UINT32_MAX;
        } else if (allowance->key >= blocks) {
                first = (allowance->key - blocks) * block_size;
                last = first + block_size - 1;
        }
        suppression = (struct suppression){ .first = (uint32_t)first, .last = (uint32_t)last };
        memcpy(suppression.counts, allowance->suppressed, sizeof(suppression.counts));
        return suppression;
}

struct allowance *
limiter_next(struct limiter *limiter, uint64_t now, size_t *cursor, struct suppression *ret) {
        if (*cursor == 0 && now < limiter->due)
                return NULL;
        if (*cursor == 0)
                limiter->due = UINT64_MAX;
        while (*cursor <= N_ALLOWANCES) {
                size_t i = (*cursor)++;
                struct allowance *allowance =
                        i == N_ALLOWANCES ? &limiter->further
                                          : &limiter->sets[i / LIMITER_WAYS][i % LIMITER_WAYS];

                if (!has_suppressed(allowance))
                        continue;
                if (allowance->due <= now) {
                        *ret = describe(allowance);
                        return allowance;
                }
                if (allowance->due < limiter->due)
                        limiter->due = allowance->due;
        }
        return NULL;
}

void limiter_told(struct allowance *allowance) {
        memset(allowance->suppressed, 0, sizeof(allowance->suppressed));
}
