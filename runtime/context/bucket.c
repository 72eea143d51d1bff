/* SPDX-License-Identifier: Apache-2.0
 * bucket.c - the token bucket; see bucket.h. */
#include "runtime/context/bucket.h"

#include <math.h>
#include <string.h>

#define VERSION_BITS 8
#define VERSION_MASK ((UINT64_C(1) << VERSION_BITS) - 1)

/* From here on a version's bits in place of base's cost more than a millionth of a token. */
#define EARNED_MAX ((double)(1 << 24))

/* So much less than a token is one: base is rounded, and what was waited for must be there afterwards. */
#define SLACK (1.0 / (1 << 20))

_Static_assert((VERSION_MASK + 1) % BUCKET_SLOTS == 0, "versions go round the slots evenly");

SANITIZE_OWNER_DATA_BEGIN

/* The rules that a word goes with, and what it says at a time. Valid if the word's version is still that one afterwards. */
struct view {
    double limit, earned, tokens;
    int burst;
};

static double as_double(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static uint64_t as_bits(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static uint64_t pack(double base, uint64_t version)
{
    return (as_bits(base) & ~VERSION_MASK) | (version & VERSION_MASK);
}

static inline struct view view(struct bucket *b, uint64_t word, int64_t now)
{
    struct bucket_rule *rule = &b->rules[word % BUCKET_SLOTS];
    struct view v = {.limit = as_double(atomic_load_acquire(&rule->limit)),
                     .burst = atomic_load_acquire(&rule->burst)};
    if (unlikely(v.limit == INFINITY)) {
        v.tokens = v.burst;
        return v;
    }
    v.earned = v.limit * ((double)(now - atomic_load_acquire(&rule->since)) * 1e-9);
    v.tokens = as_double(word & ~VERSION_MASK) + v.earned;
    if (v.tokens > v.burst)
        v.tokens = v.burst;
    return v;
}

/* Until `tokens` have been earned, in ns. */
static int64_t time_for(double tokens, double limit)
{
    double ns = tokens / limit * 1e9 + 0.5;
    return ns < 0x1p63 ? (int64_t)ns : INT64_MAX; /* a limit of 0 comes to infinity */
}

/* [RULES-2] Releases, each: who sees one of them by way of an old word sees that the word has changed since. */
static void write_rule(struct bucket *b, uint64_t version, double limit, int burst, int64_t now)
{
    struct bucket_rule *rule = &b->rules[version % BUCKET_SLOTS];
    atomic_store_release(&rule->limit, as_bits(limit));
    atomic_store_release(&rule->burst, burst);
    atomic_store_release(&rule->since, now);
}

static bool same_rules(struct bucket *b, uint64_t *word)
{
    uint64_t before = *word;
    *word = atomic_load_acquire(&b->word); /* [RULES-1] after the acquires in view() */
    return (*word & VERSION_MASK) == (before & VERSION_MASK);
}

void bucket_init(struct bucket *b, double limit, int burst, int64_t now)
{
    write_rule(b, 0, limit, burst, now);
    atomic_store_relaxed(&b->word, pack(burst, 0));
}

enum bucket_answer bucket_take(struct bucket *b, int64_t now, int n, int64_t wait_max,
                               int64_t *wait)
{
    uint64_t word = atomic_load_acquire(&b->word);
    for (;;) {
        struct view v = view(b, word, now);
        double missing = n - v.tokens;
        *wait = likely(missing <= SLACK) ? 0 : time_for(missing, v.limit);
        if (unlikely(v.limit == INFINITY)) {
            *wait = 0;
            if (same_rules(b, &word))
                return BUCKET_TAKEN;
        } else if (unlikely(n > v.burst)) {
            if (same_rules(b, &word))
                return BUCKET_TOO_MUCH;
        } else if (*wait > wait_max) {
            if (same_rules(b, &word))
                return BUCKET_TOO_LATE;
        } else if (atomic_cas_acq_rel(&b->word, &word, pack(v.tokens - n - v.earned, word))) {
            return unlikely(v.earned > EARNED_MAX) ? BUCKET_STALE : BUCKET_TAKEN;
        }
    }
}

void bucket_give_back(struct bucket *b, int64_t now, int n, int64_t act_at)
{
    uint64_t word = atomic_load_acquire(&b->word);
    struct view v;
    double back;
    do {
        v = view(b, word, now);
        if (v.limit == INFINITY)
            return;
        back = n;
        int64_t wait = v.tokens < 0 ? time_for(-v.tokens, v.limit) : 0;
        if (wait && act_at - now < wait) /* promised since then */
            back -= (double)(wait - (act_at - now)) / 1e9 * v.limit;
        if (back <= 0)
            return;
        v.tokens = v.tokens + back < v.burst ? v.tokens + back : v.burst;
    } while (!atomic_cas_acq_rel(&b->word, &word, pack(v.tokens - v.earned, word)));
}

struct bucket_state bucket_look(struct bucket *b, int64_t now)
{
    uint64_t word = atomic_load_acquire(&b->word);
    struct view v;
    do
        v = view(b, word, now);
    while (!same_rules(b, &word));
    return (struct bucket_state){.limit = v.limit, .burst = v.burst, .tokens = v.tokens};
}

void bucket_set(struct bucket *b, double limit, int burst, int64_t now)
{
    uint64_t word = atomic_load_acquire(&b->word), version = (word + 1) & VERSION_MASK;
    struct view v;
    write_rule(b, version, limit, burst, now);
    do {
        v = view(b, word, now);
    } while (!atomic_cas_acq_rel(&b->word, &word, pack(v.tokens, version)));
}

SANITIZE_OWNER_DATA_END
