/* SPDX-License-Identifier: Apache-2.0
 * bucket.h - a token bucket whose taking is lock-free.
 *
 * The bucket earns `limit` tokens a second, holds at most `burst`, and may be in debt: who takes more than there is
 * waits until the debt is paid. All of that is one number: what has been earned since the rules were made, less what
 * has been taken, is what there is, so the word holds the rest of the equation,
 *
 *   base = tokens - limit * (now - since)
 *
 * which only taking changes. So a take is a load and a CAS, a refusal a load, and time costs nothing.
 *
 *   word = base, a double, whose lowest bits give way to the version of the rules
 *
 * limit, burst and since belong together with the word that was computed from them. They stand in a slot that its
 * version chooses; new ones are written into the next slot, and become valid by the CAS that changes the version:
 * a taker who read old rules fails with his CAS. He could be fooled by as many changes in between as there are versions.
 * A slot is written again after BUCKET_SLOTS changes, each of which has changed the word.
 *
 * What was earned grows without end, and the lower bits of base get lost in it. Who sees that (BUCKET_STALE) has the same
 * rules made again, as of now.
 *
 * Cost: 1 RMW for what is taken, none for what is refused or not limited. Rejected: tokens and the time of the last
 * take as a pair (a CAS of two words costs twice as much as one); the time at which the bucket was empty (a limit of 0
 * has none, and nanoseconds are too coarse for high ones). */
#ifndef WEFT_RUNTIME_CONTEXT_BUCKET_H
#define WEFT_RUNTIME_CONTEXT_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/atomic.h"

#define BUCKET_SLOTS 8u

struct bucket_rule {
    _Atomic(uint64_t) limit; /* a double: tokens a second */
    _Atomic(int64_t) since;
    _Atomic(int) burst;
};

struct bucket {
    _Atomic(uint64_t) word;
    struct bucket_rule rules[BUCKET_SLOTS];
};

/* What a look at the bucket gives. */
struct bucket_state {
    double limit;
    int burst;
    double tokens;
};

enum bucket_answer {
    BUCKET_TAKEN,
    BUCKET_STALE,    /* taken too; bucket_set wants to be called with the rules as they are */
    BUCKET_TOO_LATE, /* it would take longer than was allowed */
    BUCKET_TOO_MUCH, /* more than the bucket ever holds */
};

/* Before others see it. Full at the beginning. */
void bucket_init(struct bucket *b, double limit, int burst, int64_t now);

/* Take n >= 0 tokens, if that needs no longer wait than wait_max ns; how long in *wait. */
enum bucket_answer bucket_take(struct bucket *b, int64_t now, int n, int64_t wait_max,
                               int64_t *wait);

/* Give back n tokens that were taken to be used at act_at, less those that later takers have been promised since, who were
 * told their time already. act_at INT64_MAX: all n. (Go's rule.) */
void bucket_give_back(struct bucket *b, int64_t now, int n, int64_t act_at);

struct bucket_state bucket_look(struct bucket *b, int64_t now);

/* New rules, for who is the only one to make some. What there is stays, and later takes see the new burst. */
void bucket_set(struct bucket *b, double limit, int burst, int64_t now);

#endif
