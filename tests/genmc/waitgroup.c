/* SPDX-License-Identifier: Apache-2.0
 * waitgroup.c - the WaitGroup's word: two dones against two waits. Both waiters come back, see what was
 * written before the dones, and the second of them frees the object: the last done has let go of it.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a done publishes nothing of what was written before | runtime/sync/waitgroup.c | /^static inline.* void add/,/^}/s/atomic_cas_acq_rel/bug_cas_relaxed/
 * bug: the last done looks at the object again | runtime/sync/waitgroup.c | s/serve(newest_of(state), RUN_OURS);/serve(newest_of(state), RUN_OURS), (void)atomic_load_relaxed(state_of(wg));/
 * bug: a wait is listed though the count is zero | runtime/sync/waitgroup.c | /^static bool push/,/^}/s/if (count_of(state) == 0)/if (count_of(state) < 0)/
 * bug: a woken waiter's link is read | runtime/sync/waitgroup.c | s/^        struct waiter \*next = w->next; .*$//; s/^        w = next;$/        w = w->next;/ */
#include "waiting.h"

#include "runtime/sync/waitgroup.c"

static weft_waitgroup *wg;
static int written[2]; /* plain */
static _Atomic(uint32_t) waits = 2;

static void *worker(void *arg)
{
    int i = *(int *)arg;
    m_is(i);
    written[i] = 1;
    weft_waitgroup_done(wg);
    return NULL;
}

static void *waiter(void *arg)
{
    m_is(*(int *)arg);
    weft_waitgroup_wait(wg);
    REQUIRE(written[0] && written[1]);
    waiter_self()->next = NULL; /* it is its owner's again */
    if (atomic_sub_acq_rel(&waits, 1) == 1)
        free(wg);
    return NULL;
}

int main(void)
{
    static int number[MS] = {0, 1, 2, 3};
    ms_init();
    wg = malloc(sizeof *wg);
    wg->state_ = 0;
    weft_waitgroup_add(wg, 2);
    pthread_t a = go(worker, &number[0]), b = go(worker, &number[1]);
    pthread_t c = go(waiter, &number[2]), d = go(waiter, &number[3]);
    join(a);
    join(b);
    join(c);
    join(d);
    return 0;
}
