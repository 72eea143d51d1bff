/* SPDX-License-Identifier: Apache-2.0
 * mutex_starving.c - a waiter comes too late when a millisecond has passed: the mutex is handed over from then on,
 * to him and to one who has come meanwhile, and with the last of them that is over. The clock jumps whenever it is
 * read.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: who hands it over wakes nobody | runtime/sync/mutex.c | s/^        handed = true;/        handed = true, w = NULL;/
 * bug: who is handed it isn't told | runtime/sync/mutex.c | s/^        w->result = RESULT_HANDED;//
 * bug: it is handed over and unlocked | runtime/sync/mutex.c | s/^        word = queue_remove(word, node);/        word = queue_remove(word \& ~LOCKED, node);/
 * bug: with the last of them it isn't over | runtime/sync/mutex.c | s/if (!queue_first(word) ||/if (/
 * bug: who hands it over looks at it again | runtime/sync/mutex.c | s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(q);/ */
#include "syncing.h"

#include "runtime/sync/mutex.c"

static struct object {
    weft_mutex m;
    int users; /* plain */
} *object;

int64_t os_now(void)
{
    static _Atomic(int64_t) now;
    return atomic_add_relaxed(&now, 2 * STARVING_NS);
}

static void leave(struct object *o)
{
    bool last = --o->users == 0;
    weft_mutex_unlock(&o->m);
    if (last) {
        REQUIRE(o->m.state_ == 0);
        free(o);
    }
}

static void *greedy(void *arg)
{
    struct object *o = object;
    m_is(0);
    weft_mutex_unlock(&o->m);
    weft_mutex_lock(&o->m);
    leave(o);
    return arg;
}

static void *polite(void *arg)
{
    struct object *o = object;
    m_is(1);
    weft_mutex_lock(&o->m);
    leave(o);
    return arg;
}

int main(void)
{
    ms_init();
    object = malloc(sizeof *object);
    object->m.state_ = LOCKED; /* by the greedy one */
    object->users = 2;
    pthread_t a = go(greedy, NULL), b = go(polite, NULL);
    join(a);
    join(b);
    return 0;
}
