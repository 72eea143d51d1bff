/* SPDX-License-Identifier: Apache-2.0
 * sem.c - a semaphore of three units, all out: one gives them back at once, one wants two, one wants one. Both get
 * them and see what came before, and the last of them frees the object, which the giver has let go of.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: who has to wait says so too late | runtime/sync/sem.c | s/: state | SEM_WAITING))/: state))/
 * bug: what is left when nobody waits any more stays out | runtime/sync/sem.c | s/(n = give_to_waiting(s, n, &hold, &served)) != 0/(give_to_waiting(s, n, \&hold, \&served), false)/
 * bug: units that are given to who waits aren't counted | runtime/sync/sem.c | s/^        state += (uint64_t)node->what << 1;//
 * bug: a release looks at the object when it has woken somebody | runtime/sync/sem.c | s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(sem_word(s));/ */
#include "syncing.h"

#include "runtime/sync/sem.c"

static struct object {
    weft_sem sem;
    _Atomic(uint32_t) wait;
    int written; /* plain */
} *object;

static void *gives(void *arg)
{
    m_is(0);
    object->written = 1;
    weft_sem_release(&object->sem, 3);
    return arg;
}

static void *wants(void *arg)
{
    struct object *o = object;
    int i = *(int *)arg;
    m_is(i);
    weft_sem_acquire(&o->sem, i);
    REQUIRE(o->written);
    if (atomic_sub_acq_rel(&o->wait, 1) == 1) {
        REQUIRE(o->sem.state_ == 3 << 1 && o->sem.queue_ == 0);
        free(o);
    }
    return NULL;
}

int main(void)
{
    static int number[3] = {0, 1, 2};
    ms_init();
    object = malloc(sizeof *object);
    object->sem.state_ = 3 << 1;
    object->sem.size_ = 3;
    object->sem.queue_ = 0;
    object->written = 0;
    atomic_store_relaxed(&object->wait, 2);
    pthread_t a = go(gives, NULL), b = go(wants, &number[1]), c = go(wants, &number[2]);
    join(a);
    join(b);
    join(c);
    return 0;
}
