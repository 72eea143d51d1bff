/* SPDX-License-Identifier: Apache-2.0
 * once.c - two calls of one weft_once: the function runs once, who comes second sees what it wrote and frees the
 * object, which the first has let go of; nobody waits for ever.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: two are the first | runtime/sync/once.c | s/if (atomic_cas_acq_rel(q, &fresh, ONCE_RUNNING))/if (bug_cas_in_two_steps(q, \&fresh, ONCE_RUNNING))/
 * bug: who waits is forgotten | runtime/sync/once.c | s/^    queue_wake_all(released.first);//
 * bug: the end publishes nothing | runtime/sync/queue.h | s/atomic_store_release(q, word)/atomic_store_relaxed(q, word)/
 * bug: who lines up doesn't look whether it is over | runtime/sync/once.c | s/if (word == ONCE_DONE)/if (false)/
 * bug: the first looks at the object when it is over | runtime/sync/once.c | s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(q);/ */
#include "syncing.h"

#include "runtime/sync/once.c"

static struct object {
    weft_once once;
    int value; /* plain */
} *object;
static _Atomic(int) first = -1;

weft_deferred **weft_defer_list(void)
{
    static weft_deferred *lists[2];
    return &lists[m_self() - ms];
}

static void set(void *arg)
{
    struct object *o = arg;
    o->value++;
    atomic_store_relaxed(&first, (int)(m_self() - ms));
}

static void *user(void *arg)
{
    int i = *(int *)arg;
    struct object *o = object;
    m_is(i);
    weft_once_do(&o->once, set, o);
    if (atomic_load_relaxed(&first) != i) {
        REQUIRE(o->value == 1);
        free(o);
    }
    return NULL;
}

int main(void)
{
    static int number[2] = {0, 1};
    ms_init();
    object = malloc(sizeof *object);
    object->once.state_ = 0;
    object->value = 0;
    pthread_t a = go(user, &number[0]), b = go(user, &number[1]);
    join(a);
    join(b);
    return 0;
}
