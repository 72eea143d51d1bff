/* SPDX-License-Identifier: Apache-2.0
 * claim.c - a waiter that two may wake: per generation one claim succeeds, its winner alone writes the
 * result, and the owner sees it; a waker who comes with the token of an earlier
 * wait loses, however late he is.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a claim looks first and then takes | runtime/sched/sched.h | s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: an armed waiter keeps its generation | runtime/sched/sched.h | s/(atomic_load_relaxed(&w->word) | 7) + 2/atomic_load_relaxed(\&w->word) | 1/ */
#include "model.h"

#include "runtime/sched/sched.h"

#define ROUNDS 2

static struct waiter w;
static _Atomic(uint64_t) shown[ROUNDS]; /* the token, where both wakers find it */
static _Atomic(uint32_t) woken[ROUNDS];

static void wake(int round, uint16_t who)
{
    uint64_t token = atomic_load_acquire(&shown[round]);
    if (!token || !waiter_claim(&w, token))
        return;
    w.result = who; /* plain: two winners of one generation are a race */
    REQUIRE(atomic_swap_acq_rel(&woken[round], 1) == 0);
}

static void *timer(void *arg)
{
    (void)arg;
    wake(0, 1);
    return NULL;
}

static void *partner(void *arg)
{
    (void)arg;
    wake(0, 2);
    wake(1, 2);
    return NULL;
}

/* Waits twice; who isn't woken (nobody came) claims himself, as a wait that needn't park does. */
static void *owner(void *arg)
{
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t token = waiter_arm(&w);
        w.result = 0;
        atomic_store_release(&shown[round], token);
        if (waiter_claim(&w, token)) {
            REQUIRE(w.result == 0);
            continue;
        }
        AWAIT(atomic_load_acquire(&woken[round]));
        REQUIRE(w.result == 1 || w.result == 2);
        REQUIRE(round == 0 || w.result == 2); /* the timer was of the first wait */
    }
    return NULL;
}

int main(void)
{
    pthread_t a = go(owner, NULL), b = go(timer, NULL), c = go(partner, NULL);
    join(a);
    join(b);
    join(c);
    return 0;
}
