/* SPDX-License-Identifier: Apache-2.0
 * waitlist.c - the list of a channel's waiters: two are in it from the start; the second leaves, which sweeps the list, while
 * one is popped and then another pushed. Who lives is popped once, in order; who left is gone, or popped and then found to
 * be over; every hold is let go of once.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a waiter is linked in behind one on its way out | runtime/chan/waitlist.c | s/(at->cur & MARKS) ||//; s/relink(at.cur, w->name, 0)/relink(at.cur, w->name, at.cur \& MARKS)/
 * bug: a sweep doesn't let go of what it unlinks | runtime/chan/waitlist.c | s/if (link & MARK_DEAD)/if (false)/
 * bug: who is linked publishes nothing | runtime/chan/waitlist.c | s/if (sound && atomic_cas_acq_rel(/if (sound \&\& bug_cas_relaxed(/
 * bug: a sweep buries without winning | runtime/chan/waitlist.c | /^static bool bury_over/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "waiting.h"

#include "runtime/chan/waitlist.c"

enum { STAYS, LEAVES, COMES, WAITERS };

static struct waitlist list;
static struct waiter *waiters[WAITERS];
static _Atomic(uint32_t) over[WAITERS], popped[WAITERS];
static int written[WAITERS]; /* plain: before its push */

static int index_of(struct waiter *w)
{
    int i = 0;
    while (waiters[i] != w)
        i++;
    return i;
}

static bool is_over(struct waiter *w)
{
    int i = index_of(w);
    REQUIRE(written[i] == 1);
    return atomic_load_acquire(&over[i]);
}

static bool pop(void)
{
    struct waiter *w = waitlist_pop(&list);
    if (!w)
        return false;
    int i = index_of(w);
    REQUIRE(written[i] == 1);
    REQUIRE(atomic_add_acq_rel(&popped[i], 1) == 0);
    REQUIRE(i != COMES || atomic_load_relaxed(&popped[STAYS]));
    waiter_drop(w);
    return true;
}

static void push(int i)
{
    written[i] = 1;
    waitlist_push(&list, waiters[i]);
}

static void *leaves(void *arg)
{
    m_is(0);
    atomic_store_release(&over[LEAVES], 1);
    if (waitlist_leave(&list, waiters[LEAVES], is_over))
        waiter_put(waiters[LEAVES]);
    else
        waiter_drop(waiters[LEAVES]);
    return arg;
}

static void *pops_and_pushes(void *arg)
{
    m_is(1);
    pop();
    push(COMES);
    waiter_drop(waiters[COMES]); /* whoever pops it will be the last */
    return arg;
}

int main(void)
{
    static struct waiter_record records[WAITERS];
    ms_init();
    m_is(3);
    for (int i = 0; i < WAITERS; i++) {
        record_add(3, &records[i]);
        waiters[i] = waiter_get();
    }
    push(STAYS);
    push(LEAVES);
    atomic_store_relaxed(&list.left, 1); /* the next to leave sweeps: LEFT_MIN */
    pthread_t a = go(leaves, NULL), b = go(pops_and_pushes, NULL);
    join(a);
    join(b);
    while (pop())
        ;
    waiter_drop(waiters[STAYS]);
    REQUIRE(atomic_load_relaxed(&popped[STAYS]) && atomic_load_relaxed(&popped[COMES]));
    REQUIRE(records_cached() == WAITERS);
    return 0;
}
