/* SPDX-License-Identifier: Apache-2.0
 * mutex.c - a goroutine unlocks a mutex that two more lock, and the last of them frees it: one at a time has it, sees
 * what the one before wrote, nobody waits for ever, and an unlock leaves the object alone once another can have it.
 * The inline first steps are left out: the slow ones begin with the same.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: who has slept wakes nobody | runtime/sync/mutex.c | s/^        word = (word & ~LOCKED) | AWAKE;/        word = word \& ~LOCKED, w = NULL;/
 * bug: who comes too late stays AWAKE | runtime/sync/mutex.c | s/(word & ~AWAKE) | (starves ? STARVING : 0)/word/
 * bug: a word is given back without a release | runtime/sync/queue.h | s/atomic_store_release(q, word)/atomic_store_relaxed(q, word)/
 * bug: an unlock that wakes somebody looks at the mutex again | runtime/sync/mutex.c | s/^    sched_release_run(hold);/    (void)atomic_load_relaxed(q);/
 * bug: the one who was woken stays in the queue | runtime/sync/mutex.c | s/queue_remove((word | LOCKED) & ~AWAKE, node)/(word | LOCKED) \& ~AWAKE/
 * bug: two at once change the links | runtime/sync/mutex.c | /^static enum step come(/,/^}/s/word | QUEUE_BUSY/word/ */
#include "syncing.h"

#include "runtime/sync/mutex.c"

static struct object {
    weft_mutex m;
    int users; /* plain */
} *object;

int64_t os_now(void)
{
    return 0;
}

static void *user(void *arg)
{
    struct object *o = object;
    m_is(*(int *)arg);
    if (*(int *)arg)
        lock_in_line(&o->m);
    if (--o->users > 0)
        mutex_release(&o->m);
    else
        free(o); /* locked as it is */
    return NULL;
}

int main(void)
{
    static int number[3] = {0, 1, 2};
    pthread_t threads[3];
    ms_init();
    object = malloc(sizeof *object);
    object->m.state_ = LOCKED; /* by the first */
    object->users = 3;
    for (int i = 0; i < 3; i++)
        threads[i] = go(user, &number[i]);
    for (int i = 0; i < 3; i++)
        join(threads[i]);
    return 0;
}
