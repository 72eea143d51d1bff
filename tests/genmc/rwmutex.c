/* SPDX-License-Identifier: Apache-2.0
 * rwmutex.c - one who reads leaves, another comes to read, and one to write: the writer is alone, who reads sees
 * all of a write or nothing, nobody waits for ever, and of the two who come the last frees the object.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: the last reader doesn't look for a writer | runtime/sync/rwmutex.c | /^static bool leave_to_writer/,/^}/s/word = after_reader(rw, word, hold, &s);/;/
 * edit: runtime/sched/sched.h | s/SCHED_NUMBERS 1024u/SCHED_NUMBERS 2u/
 * bug: a reader lines up and doesn't say so | runtime/sync/rwmutex.c | s/to = waits ? state | RW_WAITING : state + RW_READER;/to = waits ? state : state + RW_READER;/
 * bug: a writer lets nobody pass | runtime/sync/rwmutex.c | /^static bool open_to_waiting/,/^}/s/queue_wake_all(s.first);/;/
 * bug: a writer looks at the object when others have passed | runtime/sync/rwmutex.c | /^static bool open_to_waiting/,/^}/s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(rw_state(rw));/
 * bug: a reader looks at it when the writer has passed | runtime/sync/rwmutex.c | /^static bool leave_to_writer/,/^}/s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(rw_state(rw));/ */
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
_Atomic(uint32_t) sched_numbers;

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

static void *leaves(void *arg)
{
    struct object *o = object;
    m_is(0);
    REQUIRE(o->a == o->b);
    weft_rwmutex_runlock_slow(&o->rw);
    return arg;
}

static void *reads(void *arg)
{
    struct object *o = object;
    m_is(1);
    weft_rwmutex_rlock_slow(&o->rw); /* what is inline is a first try, and costs executions */
    REQUIRE(o->a == o->b);
    o->read = true;
    bool last = o->written; /* then the first reader has left, too */
    weft_rwmutex_runlock_slow(&o->rw);
    if (last)
        bury(o);
    return arg;
}

static void *writes(void *arg)
{
    struct object *o = object;
    m_is(2);
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
    for (int i = 0; i < 3; i++)
        atomic_store_relaxed(&p[i].mode, P_SOLO); /* it isn't biased: rwmutex_bias.c */
    object = malloc(sizeof *object);
    object->rw.state_ = RW_READER; /* the first */
    object->rw.queue_ = 0;
    object->rw.writers_.state_ = 0;
    object->rw.bias_ = bias_time(0); /* who reads needn't say that there are two */
    object->a = object->b = 0;
    object->read = object->written = false;
    pthread_t a = go(leaves, NULL), b = go(reads, NULL), c = go(writes, NULL);
    join(a);
    join(b);
    join(c);
    return 0;
}
