/* SPDX-License-Identifier: Apache-2.0
 * bias.c - the one column of a table of two rows, used by an object: a reader comes and leaves on one processor, another leaves
 * on the other, a third party wants the column for an object of his own, and the first object gives it back. The sum is of
 * those who are there still, and each knows it; who gets the column finds it empty. Fences are the full ones.
 *
 * edit: runtime/sched/sched.h | s/SCHED_NUMBERS 1024u/SCHED_NUMBERS 2u/
 * edit: runtime/sync/bias.h | s/BIAS_COLUMNS 2u/BIAS_COLUMNS 1u/
 * edit: runtime/sync/bias.c | s/queue_give_way(&looks);/AWAIT(!atomic_load_acquire(\&bias_rows[i].busy));/
 * bug: a holder counts without a fence | runtime/sync/bias.h | /^    atomic_fence_light/d
 * bug: who takes the column has no fence | runtime/sync/bias.c | /^    os_fence_heavy/d
 * bug: nobody waits for a busy row | runtime/sync/bias.c | s/looks = 0; atomic_load_acquire(&bias_rows.i..busy);/looks = 0; false;/
 * bug: a reader doesn't look whether the column is the object's still | runtime/sync/bias.h | s/unlikely(atomic_load_acquire(&bias_tickets.column.) != ticket)/false/
 * bug: a column with readers is taken | runtime/sync/bias.c | s/bool empty = column_is_empty(column);/bool empty = column_is_empty(column) || true;/
 * bug: one that is suspended is drained beside who suspended it | runtime/sync/bias.c | s/bool taken = atomic_cas_acq_rel(&bias_tickets.column., &suspended, empty . mine : was);/bool taken = true; atomic_store_release(\&bias_tickets[column], empty ? mine : was);/ */
#include "model.h"

#include "runtime/sync/bias.c"

_Thread_local struct m *tls_m; /* model_m stands for it */
_Atomic(bool) os_fence_is_asymmetric;

static struct sched_p ps[2];
static struct sched_m ms[2];
static uint64_t ticket, taken;
static uint64_t sum;
static _Atomic(uint32_t) in, out; /* counted by the object */

void os_fence_prepare(void) {}

void os_fence_heavy(void)
{
    atomic_fence_full();
}

static void hold(int number)
{
    ps[number].number = (uint32_t)number;
    ms[number].g = (struct g *)&ms[number]; /* some */
    ms[number].p = &ps[number];
    model_m = &ms[number];
}

static bool count(bool (*how)(struct bias_row *, uint64_t))
{
    struct bias_row *row = bias_enter();
    bool counted = how(row, ticket);
    bias_leave(row);
    return counted;
}

static void *reads(void *arg)
{
    hold(0);
    if (count(bias_count_in))
        atomic_add_relaxed(&in, 1);
    return arg;
}

static void *leaves(void *arg)
{
    hold(1);
    if (count(bias_count_out))
        atomic_add_relaxed(&out, 1);
    return arg;
}

static void *gives_back(void *arg)
{
    sum = bias_give_back(ticket);
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
    bias_list_here();
    hold(1);
    bias_list_here();
    ticket = bias_take();
    REQUIRE(ticket && count(bias_count_in));
    pthread_t a = go(reads, NULL), b = go(leaves, NULL), c = go(gives_back, NULL),
              d = go(takes, NULL);
    join(a);
    join(b);
    join(c);
    join(d);
    REQUIRE(sum == 1 + atomic_load_relaxed(&in) - atomic_load_relaxed(&out));
    REQUIRE(taken != ticket);
    for (int i = 0; i < 2; i++)
        REQUIRE(!atomic_load_relaxed(&bias_rows[i].counts[0]));
    hold(0);
    REQUIRE(!count(bias_count_in) && bias_is_lost(ticket));
    REQUIRE(taken || (taken = bias_take()));
    return 0;
}
