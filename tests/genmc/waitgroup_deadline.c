/* SPDX-License-Identifier: Apache-2.0
 * waitgroup_deadline.c - a wait with a deadline beside one without, while the timer fires and the last done
 * comes: each is woken once, nobody is lost when the one who timed out sweeps the list, the object may
 * be freed when both are back, and the record of the timed wait is put back once, by its last holder.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a waiter in the list is not claimed | runtime/sync/waitgroup.c | s/if ((word & 1) && waiter_claim(w, word))/if (word \& 1)/
 * bug: those that a sweep could not push back are forgotten | runtime/sync/waitgroup.c | s/^        serve(first, hold);/        (void)first;/
 * bug: who timed out puts the record back though it is listed | runtime/sync/waitgroup.c | /sweep(wg);/,/waiter_drop/s/waiter_drop/waiter_put/
 * bug: a sweep takes the list though the count has just become zero | runtime/sync/waitgroup.c | /^static void sweep/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "deadline.h"

#include "runtime/sync/waitgroup.c"

static weft_waitgroup *wg;
static int written; /* plain */
static _Atomic(uint32_t) waits = 2;

static void *worker(void *arg)
{
    (void)arg;
    m_is(1);
    written = 1;
    weft_waitgroup_done(wg);
    return NULL;
}

static void back(void)
{
    if (atomic_sub_acq_rel(&waits, 1) == 1)
        free(wg);
}

static void *timed(void *arg)
{
    (void)arg;
    m_is(2);
    if (weft_waitgroup_wait_until(wg, DEADLINE) == 0)
        REQUIRE(written);
    struct waiter *again = waiter_get(); /* of an earlier wait and in no list, or none */
    if (again) {
        again->next = NULL;
        waiter_put(again);
    }
    back();
    return NULL;
}

static void *untimed(void *arg)
{
    (void)arg;
    m_is(3);
    weft_waitgroup_wait(wg);
    REQUIRE(written);
    back();
    return NULL;
}

int main(void)
{
    static struct waiter_record record;
    ms_init();
    record_add(2, &record);
    wg = malloc(sizeof *wg);
    wg->state_ = 0;
    weft_waitgroup_add(wg, 1);
    pthread_t a = go(timer, NULL), b = go(worker, NULL), c = go(timed, NULL), d = go(untimed, NULL);
    join(a);
    join(b);
    join(c);
    join(d);
    REQUIRE(records_cached() == 1);
    return 0;
}
