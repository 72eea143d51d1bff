/* SPDX-License-Identifier: Apache-2.0
 * rwmutex_bias.c - a rwmutex whose readers are counted by processors: one comes to read and leaves, one comes to write and is
 * alone. Who reads sees all of a write or nothing, and the second of them frees the object. Fences are the full ones.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/sched/sched.h | s/SCHED_NUMBERS 1024u/SCHED_NUMBERS 2u/
 * edit: runtime/sync/bias.h | s/BIAS_COLUMNS 2u/BIAS_COLUMNS 1u/
 * edit: runtime/sync/bias.c | s/queue_give_way(&looks);/AWAIT(!(atomic_load_acquire(row_count(i, column)) \& 1));/
 * edit: include/weft/sync.h | s/__atomic_signal_fence/__atomic_thread_fence/
 * bug: a reader counts without a fence | include/weft/sync.h | /__atomic_thread_fence/d
 * bug: a writer counts without a fence | runtime/sync/bias.c | s/os_fence_heavy()/true/
 * bug: a writer forgets whom the rows have counted | runtime/sync/rwmutex.c | s/sum . RW_READER - RW_TURNING);/0 - RW_TURNING);/ */
#include "syncing.h"

#include "runtime/sync/bias.c"
#include "runtime/sync/mutex.c"
#include "runtime/sync/rwmutex.c"

static struct object {
    weft_rwmutex rw;
    int a, b;           /* plain */
    bool read, written; /* by those who come; plain */
} *object;

_Atomic(bool) os_fence_is_asymmetric;
struct weft_row_ sched_rows[2];
_Atomic(uint64_t) sched_tickets[16];
_Atomic(uint32_t) sched_numbers = 2;
static struct weft_here heres[2];

void os_fence_prepare(void) {}

bool os_fence_heavy(void)
{
    atomic_fence_full();
    return true;
}

int64_t os_now(void)
{
    return 0;
}

static void bury(struct object *o)
{
    REQUIRE(o->rw.state_ == 0 && o->rw.queue_ == 0 && o->rw.writers_.state_ == 0);
    free(o);
}

static void *reads(void *arg)
{
    struct object *o = object;
    m_is(0);
    model_here = &heres[0];
    weft_rwmutex_rlock(&o->rw);
    REQUIRE(o->a == o->b);
    o->read = true;
    bool last = o->written;
    weft_rwmutex_runlock(&o->rw);
    if (last)
        bury(o);
    return arg;
}

static void *writes(void *arg)
{
    struct object *o = object;
    m_is(1);
    model_here = &heres[1];
    weft_rwmutex_lock(&o->rw);
    o->a = o->b = 1;
    o->written = true;
    bool last = o->read;
    weft_rwmutex_unlock(&o->rw);
    if (last)
        bury(o);
    return arg;
}

int main(void)
{
    ms_init();
    for (uint32_t i = 0; i < 2; i++) {
        p[i].number = i;
        atomic_store_relaxed(&p[i].mode, P_SOLO); /* none has it biased again */
        sched_rows[i].tickets_ = (const uint64_t *)sched_tickets;
        heres[i].row_ = &sched_rows[i];
    }
    object = malloc(sizeof *object);
    object->rw.state_ = RW_BIASED;
    object->rw.queue_ = 0;
    object->rw.writers_.state_ = 0;
    object->rw.bias_ = bias_take();
    object->a = object->b = 0;
    object->read = object->written = false;
    pthread_t a = go(reads, NULL), b = go(writes, NULL);
    join(a);
    join(b);
    return 0;
}
