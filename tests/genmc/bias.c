/* SPDX-License-Identifier: Apache-2.0
 * bias.c - the one column of a table of two rows, used by an object: a reader comes and leaves on one processor, another leaves
 * on the other, a third party wants the column for an object of his own, and the first object gives it back. The sum is of
 * those who are there still, and each knows it; who gets the column finds it empty. Fences are the full ones.
 *
 * edit: runtime/sched/sched.h | s/SCHED_NUMBERS 1024u/SCHED_NUMBERS 2u/
 * edit: runtime/sync/bias.h | s/BIAS_COLUMNS 2u/BIAS_COLUMNS 1u/
 * edit: runtime/sync/bias.c | s/queue_give_way(&looks);/AWAIT(!(atomic_load_acquire(row_count(i, column)) \& 1));/
 * edit: include/weft/sync.h | s/__atomic_signal_fence/__atomic_thread_fence/
 * bug: a holder counts without a fence | include/weft/sync.h | /__atomic_thread_fence/d
 * bug: who takes the column has no fence | runtime/sync/bias.c | s/os_fence_heavy()/true/
 * bug: nobody waits for an odd count | runtime/sync/bias.c | s/^\( *\)atomic_load_acquire(row_count(i, column)) & 1;)/\1false;)/
 * bug: a reader doesn't look whether the column is the object's still | include/weft/sync.h | s/WEFT_LIKELY_(__atomic_load_n(&row->tickets_.i., __ATOMIC_ACQUIRE) == ticket)/true/
 * bug: who has taken a column doesn't say what none is | runtime/sync/bias.c | /atomic_store_relaxed(row_base/d
 * bug: a column with readers is taken | runtime/sync/bias.c | s/bool empty = column_is_empty(column);/bool empty = column_is_empty(column) || true;/
 * bug: one that is suspended is drained beside who suspended it | runtime/sync/bias.c | s/bool taken = atomic_cas_acq_rel(&sched_tickets.column., &suspended, empty . mine : was);/bool taken = true; atomic_store_release(\&sched_tickets[column], empty ? mine : was);/ */
#include "model.h"

#include <weft/sync.h>

#include "runtime/sync/bias.c"

_Atomic(bool) os_fence_is_asymmetric;
struct weft_row_ sched_rows[2];
_Atomic(uint64_t) sched_tickets[16];
_Atomic(uint32_t) sched_numbers;

static struct weft_here heres[2];
static weft_rwmutex object; /* BIASED for good; whether it has a column is another matter */
static uint64_t taken;
static uint64_t sum;
static _Atomic(uint32_t) in, out; /* counted by the object */

void os_fence_prepare(void) {}

bool os_fence_heavy(void)
{
    atomic_fence_full();
    return true;
}

static void hold(int number)
{
    heres[number].row_ = &sched_rows[number];
    sched_rows[number].tickets_ = (const uint64_t *)sched_tickets;
    model_here = &heres[number];
}

static void *reads(void *arg)
{
    hold(0);
    if (weft_rwmutex_count_(&object, false))
        atomic_add_relaxed(&in, 1);
    return arg;
}

static void *leaves(void *arg)
{
    hold(1);
    if (weft_rwmutex_count_(&object, true))
        atomic_add_relaxed(&out, 1);
    return arg;
}

static void *gives_back(void *arg)
{
    sum = bias_give_back(object.bias_);
    return arg;
}

static void *takes(void *arg)
{
    taken = bias_take();
    return arg;
}

int main(void)
{
    hold(0);
    hold(1);
    sched_numbers = 2;
    object.state_ = WEFT_RWMUTEX_BIASED_;
    object.bias_ = bias_take();
    REQUIRE(object.bias_ && weft_rwmutex_count_(&object, false));
    pthread_t a = go(reads, NULL), b = go(leaves, NULL), c = go(gives_back, NULL),
              d = go(takes, NULL);
    join(a);
    join(b);
    join(c);
    join(d);
    REQUIRE(sum == 1 + atomic_load_relaxed(&in) - atomic_load_relaxed(&out));
    REQUIRE(taken != object.bias_);
    for (uint32_t i = 0; i < 2; i++)
        REQUIRE(row_sum(i, 0) == 0);
    hold(0);
    REQUIRE(!weft_rwmutex_count_(&object, false) && bias_is_lost(object.bias_));
    REQUIRE(taken || (taken = bias_take()));
    return 0;
}
