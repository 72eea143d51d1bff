/* SPDX-License-Identifier: Apache-2.0
 * programs_sync.h - the programs of programs.h, which includes this, that use locks, conds, onces and semaphores. None of these
 * needs memory to lock, to wait or to wake, but for a deadline and for a foreign thread's first wait. */
#ifndef WEFT_TESTS_FAIL_PROGRAMS_SYNC_H
#define WEFT_TESTS_FAIL_PROGRAMS_SYNC_H

struct locks {
    weft_mutex mutex;
    weft_rwmutex rwmutex;
    weft_cond cond;
    weft_once once;
    weft_sem sem;
    int count; /* under the mutex */
    atomic_int called;
};

static struct locks locks;

static void reset_locks(void)
{
    locks = (struct locks){.sem = WEFT_SEM_INIT(2)};
    weft_cond_init(&locks.cond, &locks.mutex);
}

static void call_once(void *arg)
{
    (void)arg;
    weft_yield();
    atomic_fetch_add(&locks.called, 1);
}

/* Each of them held across a yield, so that the others wait. */
static void use_locks(void *arg)
{
    (void)arg;
    weft_once_do(&locks.once, call_once, NULL);
    CHECK_EQ(atomic_load(&locks.called), 1);
    for (int i = 0; i < 3; i++) {
        weft_mutex_lock(&locks.mutex);
        weft_yield();
        locks.count++;
        weft_mutex_unlock(&locks.mutex);
        weft_rwmutex_rlock(&locks.rwmutex);
        weft_yield();
        weft_rwmutex_runlock(&locks.rwmutex);
        weft_rwmutex_lock(&locks.rwmutex);
        weft_yield();
        weft_rwmutex_unlock(&locks.rwmutex);
        weft_sem_acquire(&locks.sem, 1 + i % 2);
        weft_yield();
        weft_sem_release(&locks.sem, 1 + i % 2);
    }
}

/* All that was counted, and everything is free. */
static void check_locks(int count)
{
    CHECK_EQ(locks.count, count);
    CHECK(weft_mutex_try_lock(&locks.mutex));
    weft_mutex_unlock(&locks.mutex);
    CHECK(weft_rwmutex_try_lock(&locks.rwmutex));
    weft_rwmutex_unlock(&locks.rwmutex);
    CHECK(weft_sem_try_acquire(&locks.sem, 2));
    weft_sem_release(&locks.sem, 2);
}

static void main_locks(void *arg)
{
    weft_waitgroup done = {0};
    int started = 0;
    (void)arg;
    reset_locks();
    for (int i = 0; i < SOME; i++)
        started += accepted(weft_waitgroup_go(&done, use_locks, NULL));
    weft_waitgroup_wait(&done);
    check_locks(3 * started);
}

/* With the mutex held, before and after, whatever the answer is. */
static int cond_wait_until(weft_cond *cond, int64_t deadline)
{
    int rc = weft_cond_wait_until(cond, deadline);
    CHECK(!weft_mutex_try_lock(&locks.mutex));
    if (rc == -ETIMEDOUT)
        CHECK_GE(weft_now(), deadline);
    else
        accepted(rc);
    return rc;
}

static atomic_bool one_is_refused;

/* One who is refused then waits in another way, in which nothing is left of the wait that was refused. */
static void wait_for_count(void *arg)
{
    weft_cond silent;
    int rc;
    weft_cond_init(&silent, &locks.mutex);
    weft_mutex_lock(&locks.mutex);
    rc = cond_wait_until(&silent, weft_now() + TEST_MS / 2);
    CHECK_NE(rc, 0);
    while (rc != -ENOMEM && locks.count == 0)
        rc = cond_wait_until(&locks.cond, weft_now() + 100000 * TEST_MS);
    weft_mutex_unlock(&locks.mutex);
    if (rc == -ENOMEM && arg && !atomic_exchange(&one_is_refused, true))
        CHECK(!weft_chan_recv(arg, NULL));
}

static void main_cond_deadline(void *arg)
{
    weft_waitgroup done = {0};
    weft_chan *refused = weft_chan_new(0, 0);
    (void)arg;
    reset_locks();
    accepted(refused ? 0 : -ENOMEM);
    atomic_store(&one_is_refused, false);
    for (int i = 0; i < SOME; i++)
        accepted(weft_waitgroup_go(&done, wait_for_count, refused));
    weft_yield(); /* on one processor: so that not main's sleep is it that is refused */
    weft_sleep(TEST_MS);
    weft_mutex_lock(&locks.mutex);
    locks.count = 1;
    weft_mutex_unlock(&locks.mutex);
    weft_cond_broadcast(&locks.cond);
    test_until_idle();
    if (refused)
        weft_chan_close(refused);
    weft_waitgroup_wait(&done);
    weft_chan_unref(refused);
    check_locks(1);
}

static void *use_locks_on_thread(void *arg)
{
    use_locks(arg);
    return NULL;
}

static void main_locks_foreign(void *arg)
{
    pthread_t threads[3];
    (void)arg;
    reset_locks();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, use_locks_on_thread, NULL), 0);
    use_locks(NULL);
    for (int i = 0; i < 3; i++)
        weft_blocking(join_thread, &threads[i]);
    check_locks(12);
}

static void wait_for_locks(void *arg)
{
    switch ((intptr_t)arg % 5) {
    case 0:
        weft_mutex_lock(&locks.mutex);
        break;
    case 1:
        weft_rwmutex_rlock(&locks.rwmutex);
        break;
    case 2:
        weft_rwmutex_lock(&locks.rwmutex);
        break;
    case 3:
        weft_sem_acquire(&locks.sem, 2);
        break;
    default:
        weft_sem_acquire(&locks.sem, 1);
        break;
    }
    FAIL("an abandoned goroutine went on");
}

static void wait_for_good(void *arg)
{
    weft_mutex *mutex = arg;
    weft_cond cond;
    weft_cond_init(&cond, mutex);
    weft_mutex_lock(mutex);
    if (weft_cond_wait_until(&cond, weft_now() + 100000 * TEST_MS) == -ENOMEM)
        accepted(-ENOMEM);
    weft_mutex_unlock(mutex);
}

static void main_end_in_locks(void *arg)
{
    static weft_mutex other;
    (void)arg;
    reset_locks();
    other = (weft_mutex){0};
    weft_mutex_lock(&locks.mutex);
    weft_rwmutex_lock(&locks.rwmutex);
    weft_sem_acquire(&locks.sem, 2);
    for (intptr_t i = 0; i < SOME; i++)
        accepted(weft_go(wait_for_locks, (void *)i));
    accepted(weft_go(wait_for_good, &other));
    weft_yield();
}

/* What main held, if it ran, is given back by this thread; nobody waits. */
static void use_locks_again(void)
{
    bool ran = !weft_mutex_try_lock(&locks.mutex);
    weft_mutex_unlock(&locks.mutex);
    if (!ran)
        return;
    weft_rwmutex_unlock(&locks.rwmutex);
    weft_sem_release(&locks.sem, 2);
    check_locks(0);
}

#endif
