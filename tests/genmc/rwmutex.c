/* SPDX-License-Identifier: Apache-2.0
 * rwmutex.c - one who reads leaves, another comes to read, and one to write: the writer is alone, who reads sees
 * all of a write or nothing, nobody waits for ever, and of the two who come the last frees the object.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: the last reader doesn't look for a writer | runtime/sync/rwmutex.c | /^static bool leave_to_writer/,/^}/s/word = after_reader(rw, word, hold, &s);/;/
 * bug: who was counted by mistake doesn't look for a writer | runtime/sync/rwmutex.c | s/return after_reader(rw, queue_append(word, node), hold, s);/return queue_append(word, node);/
 * bug: he stays counted | runtime/sync/rwmutex.c | s/atomic_add_acq_rel(rw_state(rw), waiting - RW_READER);/atomic_add_acq_rel(rw_state(rw), waiting);/
 * bug: a writer lets nobody pass | runtime/sync/rwmutex.c | /^static bool open_to_waiting/,/^}/s/queue_wake_all(s.first);/;/
 * bug: a writer looks at the object when others have passed | runtime/sync/rwmutex.c | /^static bool open_to_waiting/,/^}/s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(rw_state(rw));/
 * bug: a reader looks at it when the writer has passed | runtime/sync/rwmutex.c | /^static bool leave_to_writer/,/^}/s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(rw_state(rw));/ */
#include "syncing.h"

#include "runtime/sync/mutex.c"
#include "runtime/sync/rwmutex.c"

static struct object {
    weft_rwmutex rw;
    int a, b;           /* plain */
    bool read, written; /* by those who come; plain */
} *object;

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
    weft_rwmutex_runlock(&o->rw);
    return arg;
}

static void *reads(void *arg)
{
    struct object *o = object;
    m_is(1);
    weft_rwmutex_rlock(&o->rw);
    REQUIRE(o->a == o->b);
    o->read = true;
    bool last = o->written; /* then the first reader has left, too */
    weft_rwmutex_runlock(&o->rw);
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
    object = malloc(sizeof *object);
    object->rw.state_ = RW_READER; /* the first */
    object->rw.queue_ = 0;
    object->rw.writers_.state_ = 0;
    object->a = object->b = 0;
    object->read = object->written = false;
    pthread_t a = go(leaves, NULL), b = go(reads, NULL), c = go(writes, NULL);
    join(a);
    join(b);
    join(c);
    return 0;
}
