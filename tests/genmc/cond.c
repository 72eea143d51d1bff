/* SPDX-License-Identifier: Apache-2.0
 * cond.c - one who waits, with a deadline, for what another writes under the mutex and signals after it: he sees
 * it and frees the object, which the other has let go of, or his deadline has passed; nobody waits for ever.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a wait lets go of the mutex before it lines up | runtime/sync/cond.c | /^static int wait_timed/,/^}/s/^    line_up(c, &node);/    mutex_release(c->mutex_);\n&\n    mutex_acquire(c->mutex_);/
 * bug: a signal claims nobody | runtime/sync/cond.c | s/return (word & 1) && waiter_claim(w, word);/return word \& 1;/
 * bug: who timed out stays in the queue | runtime/sync/cond.c | s/^        leave(c, &node);/        ;/
 * bug: who timed out isn't to be claimed any more while in the queue | runtime/sync/cond.c | s/^    bool signalled =/    w->cancellable = false;\n&/
 * bug: a signal looks at the cond when it has woken somebody | runtime/sync/cond.c | s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(q);/ */
#include "deadline.h"
#include "syncing.h"

#include "runtime/sync/cond.c"
#include "runtime/sync/mutex.c"

static struct object {
    weft_mutex m;
    weft_cond c;
    int value; /* plain */
} *object;

static void *waits(void *arg)
{
    struct object *o = object;
    m_is(1);
    int rc = weft_cond_wait_until(&o->c, DEADLINE); /* has the mutex */
    REQUIRE(rc != 0 || o->value);
    weft_mutex_unlock(&o->m);
    if (rc == 0) {
        REQUIRE(o->m.state_ == 0 && o->c.queue_ == 0);
        free(o);
    }
    return arg;
}

static void *signals_it(void *arg)
{
    struct object *o = object;
    m_is(2);
    weft_mutex_lock(&o->m);
    o->value = 1;
    weft_mutex_unlock(&o->m);
    weft_cond_signal(&o->c);
    return arg;
}

int main(void)
{
    ms_init();
    object = malloc(sizeof *object);
    object->m.state_ = LOCKED; /* by the one who waits */
    object->c.queue_ = 0;
    object->c.mutex_ = &object->m;
    object->c.self_ = &object->c;
    object->value = 0;
    pthread_t a = go(timer, NULL), b = go(waits, NULL), c = go(signals_it, NULL);
    join(a);
    join(b);
    join(c);
    return 0;
}
