/* SPDX-License-Identifier: Apache-2.0
 * run_end.c - objects of sync.h that outlive a run whose goroutines waited for them at its end: those are forgotten, and the
 * object serves threads, and later runs, and may be freed. What the abandoned ones held stays held. */
#include "crew.h"
#include "queued.h"

struct object {
    weft_mutex mutex;
    weft_rwmutex read, written; /* locked for reading, for writing */
    weft_mutex cond_mutex;
    weft_cond cond;
    weft_once once;
    weft_sem sem;
};

static struct object *o;

static void nothing(void *arg)
{
    (void)arg;
}

static void went_on(void)
{
    FAIL("an abandoned goroutine went on");
}

/* All of it held by this thread. */
static void make_object(void)
{
    o = calloc(1, sizeof *o);
    REQUIRE(o);
    weft_cond_init(&o->cond, &o->cond_mutex);
    o->sem = (weft_sem)WEFT_SEM_INIT(3);
    weft_mutex_lock(&o->mutex);
    weft_rwmutex_rlock(&o->read);
    weft_rwmutex_lock(&o->written);
    weft_sem_acquire(&o->sem, 3);
}

/* ---- goroutines that wait when main returns ---- */

static void wait_mutex(void *arg)
{
    (void)arg;
    weft_mutex_lock(&o->mutex);
    went_on();
}

static void wait_reader(void *rw)
{
    weft_rwmutex_rlock(rw);
    went_on();
}

static void wait_writer(void *rw)
{
    weft_rwmutex_lock(rw);
    went_on();
}

static void wait_cond(void *arg)
{
    weft_mutex_lock(&o->cond_mutex);
    if (arg)
        weft_cond_wait_until(&o->cond, weft_now() + WEFT_HOUR);
    else
        weft_cond_wait(&o->cond);
    went_on();
}

static void wait_sem(void *n)
{
    weft_sem_acquire(&o->sem, (intptr_t)n);
    went_on();
}

static void leave_waiting(void *arg)
{
    int64_t ns = *(int64_t *)arg;
    struct {
        weft_fn fn;
        void *arg;
    } waiters[] = {
        {wait_mutex, NULL},         {wait_mutex, NULL},
        {wait_mutex, NULL},         {wait_writer, &o->read},
        {wait_reader, &o->read},    {wait_writer, &o->read},
        {wait_reader, &o->read},    {wait_reader, &o->written},
        {wait_writer, &o->written}, {wait_reader, &o->written},
        {wait_cond, NULL},          {wait_cond, o},
        {wait_cond, NULL},          {wait_cond, o},
        {wait_sem, (void *)2},      {wait_sem, (void *)1},
        {wait_sem, (void *)7},      {wait_sem, (void *)3},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(waiters); i++)
        crew_park(i + 1, waiters[i].fn, waiters[i].arg);
    weft_sleep(ns);
}

/* Nobody waits any more; this thread lets go, and finds all of it free. */
static void check_forgotten(void)
{
    CHECK(!weft_mutex_try_lock(&o->mutex));
    weft_mutex_unlock(&o->mutex);
    CHECK(weft_mutex_try_lock(&o->mutex));
    weft_mutex_unlock(&o->mutex);

    CHECK(!weft_rwmutex_try_lock(&o->read));
    weft_rwmutex_runlock(&o->read);
    CHECK(weft_rwmutex_try_lock(&o->read));
    weft_rwmutex_unlock(&o->read);
    CHECK(weft_rwmutex_try_rlock(&o->read));
    weft_rwmutex_runlock(&o->read);

    CHECK(!weft_rwmutex_try_rlock(&o->written));
    weft_rwmutex_unlock(&o->written);
    CHECK(weft_rwmutex_try_rlock(&o->written));
    weft_rwmutex_runlock(&o->written);
    CHECK(weft_rwmutex_try_lock(&o->written));
    weft_rwmutex_unlock(&o->written);

    weft_cond_signal(&o->cond);
    weft_cond_broadcast(&o->cond);
    CHECK(weft_mutex_try_lock(&o->cond_mutex));
    CHECK_EQ(weft_cond_wait_until(&o->cond, weft_now() + 1000), -ETIMEDOUT);
    weft_mutex_unlock(&o->cond_mutex);

    CHECK(!weft_sem_try_acquire(&o->sem, 1));
    weft_sem_release(&o->sem, 1);
    CHECK(weft_sem_try_acquire(&o->sem, 1)); /* nobody is before us */
    weft_sem_release(&o->sem, 3);
    CHECK(weft_sem_try_acquire(&o->sem, 3));
    weft_sem_release(&o->sem, 3);
}

/* ---- use as ever ---- */

static long plain;

static void use(int index)
{
    for (int i = 0; i < 20; i++) {
        weft_mutex_lock(&o->mutex);
        plain++;
        if (i % 4 == index % 4)
            weft_yield();
        weft_mutex_unlock(&o->mutex);

        weft_rwmutex *rw = i % 2 ? &o->read : &o->written;
        if ((i + index) % 3 == 0) {
            weft_rwmutex_lock(rw);
            weft_yield();
            weft_rwmutex_unlock(rw);
        } else {
            weft_rwmutex_rlock(rw);
            weft_yield();
            weft_rwmutex_runlock(rw);
        }

        weft_sem_acquire(&o->sem, 1 + index % 3);
        weft_yield();
        weft_sem_release(&o->sem, 1 + index % 3);
    }
}

static void wait_for_signal(void *arg)
{
    (void)arg;
    weft_mutex_lock(&o->cond_mutex);
    weft_cond_wait(&o->cond);
    weft_mutex_unlock(&o->cond_mutex);
}

static void use_again(void *arg)
{
    (void)arg;
    plain = 0;
    crew_run(6, 1, use);
    CHECK_EQ(plain, 140);
    crew_park(1, wait_for_signal, NULL);
    weft_cond_signal(&o->cond); /* the one who waits now, not one of those of old */
    test_until_goroutines(1);
}

TEST(those_who_wait_are_forgotten)
{
    /* Goal: at the end of a run its waiters leave what they wait for, wherever they stand in the queue, and a writer who
     * waited stops nobody any more. Method: a thread holds one of each kind; goroutines wait; main returns, at once or
     * when they have waited for long. The thread lets go and finds all free; another run uses it; it is freed. */
    for (int i = 0; i < test_scale(100) + 2; i++) {
        int64_t ns = i % 2 * 3 * TEST_MS;
        make_object();
        CHECK_EQ(test_run(leave_waiting, &ns), 0);
        if (i % 4 < 2) {
            check_forgotten();
            CHECK_EQ(test_run(use_again, NULL), 0);
            CHECK_EQ(test_run(use_again, NULL), 0);
        }
        free(o); /* else as it is */
        CHECK_EQ(test_run(nothing, NULL), 0);
    }
}

TEST(many_runs_leave_their_waiters)
{
    /* Goal: the same object through many runs that abandon goroutines. */
    int64_t ns = 0;
    make_object();
    for (int i = 0; i < test_scale(100) + 2; i++)
        CHECK_EQ(test_run_procs(1 + i % 4, leave_waiting, &ns), 0);
    check_forgotten();
    CHECK_EQ(test_run(use_again, NULL), 0);
    free(o);
}

/* ---- woken, but not run when main returns ---- */

static void lock_and_leave(void *arg)
{
    (void)arg;
    weft_mutex_lock(&o->mutex);
    weft_mutex_unlock(&o->mutex);
}

static void acquire_one(void *arg)
{
    (void)arg;
    weft_sem_acquire(&o->sem, 1);
}

static void wake_and_return(void *arg)
{
    int64_t ns = *(int64_t *)arg;
    crew_park(1, lock_and_leave, NULL);
    crew_park(2, lock_and_leave, NULL);
    crew_park(3, wait_for_signal, NULL);
    crew_park(4, wait_for_signal, NULL);
    crew_park(5, acquire_one, NULL);
    crew_park(6, acquire_one, NULL);
    weft_sleep(ns);
    weft_mutex_unlock(&o->mutex);
    weft_cond_signal(&o->cond);
    weft_sem_release(&o->sem, 2);
}

static void lock_in_turn(void *arg)
{
    (void)arg;
    weft_mutex_lock(&o->mutex);
    crew_park(1, lock_and_leave, NULL);
    crew_park(2, lock_and_leave, NULL);
    weft_mutex_unlock(&o->mutex);
    test_until_goroutines(1);
    crew_park(1, wait_for_signal, NULL);
    crew_park(2, wait_for_signal, NULL);
    until_queued(&o->cond.queue_, 2); /* he may have been parked for the mutex first */
    weft_cond_signal(&o->cond);
    weft_cond_signal(&o->cond);
    test_until_goroutines(1);
    crew_park(1, acquire_one, NULL);
    weft_sem_release(&o->sem, 1);
    test_until_goroutines(1);
}

TEST(who_was_woken_and_did_not_run_is_forgotten)
{
    /* Goal: a waiter that an unlock, a signal or a release woke, and that never ran, leaves nothing behind but what it
     * was given: later waiters are woken as ever. Method: main wakes some and returns; what is held then is the dead ones',
     * and the thread gives it back. */
    for (int i = 0; i < test_scale(200) + 8; i++) {
        int64_t ns = i % 4 == 3 ? 3 * TEST_MS : 0;
        make_object();
        CHECK_EQ(test_run_procs(i % 2 ? 1 : test_procs(2), wake_and_return, &ns), 0);
        weft_mutex_try_lock(&o->mutex); /* if not, a dead one has it */
        weft_mutex_unlock(&o->mutex);
        weft_mutex_try_lock(&o->cond_mutex);
        weft_mutex_unlock(&o->cond_mutex);
        int had = 1;
        while (weft_sem_try_acquire(&o->sem, 1))
            had++;
        CHECK_LE(had, 3);
        CHECK_EQ(test_run(lock_in_turn, NULL), 0);
        free(o);
    }
}

static void wait_any(int index)
{
    switch (index % 4) {
    case 0:
        weft_rwmutex_rlock(&o->read);
        break;
    case 1:
        weft_rwmutex_lock(&o->read);
        break;
    case 2:
        weft_rwmutex_rlock(&o->written);
        break;
    default:
        weft_rwmutex_lock(&o->written);
        break;
    }
}

static void start_and_wake_all(void *arg)
{
    static struct crew crew;
    crew_start(&crew, 16, 0, wait_any);
    test_until_idle();
    weft_rwmutex_runlock(&o->read);
    weft_rwmutex_unlock(&o->written);
    (void)arg;
}

TEST(a_rwmutex_whose_waiters_were_woken_may_go)
{
    /* Goal: the same for rwmutexes: nothing looks for those who were let in any more. Method: freed after the run. */
    for (int i = 0; i < test_scale(200) + 8; i++) {
        make_object();
        CHECK_EQ(test_run_procs(i % 2 ? 1 : test_procs(2), start_and_wake_all, NULL), 0);
        free(o);
        CHECK_EQ(test_run(nothing, NULL), 0);
    }
}

/* ---- threads go on waiting ---- */

static atomic_int got;

static void *thread_waits(void *arg)
{
    switch ((int)(intptr_t)arg) {
    case 0:
        weft_mutex_lock(&o->mutex);
        weft_mutex_unlock(&o->mutex);
        break;
    case 1:
        weft_rwmutex_lock(&o->read);
        weft_rwmutex_unlock(&o->read);
        break;
    case 2:
        weft_rwmutex_rlock(&o->written);
        weft_rwmutex_runlock(&o->written);
        break;
    case 3:
        weft_sem_acquire(&o->sem, 1);
        weft_sem_release(&o->sem, 1);
        break;
    default:
        weft_mutex_lock(&o->cond_mutex);
        weft_cond_wait(&o->cond);
        weft_mutex_unlock(&o->cond_mutex);
        break;
    }
    atomic_fetch_add(&got, 1);
    return NULL;
}

enum { KINDS = 5 };

static pthread_t waiting_threads[KINDS];

static void start_threads_between(void *arg)
{
    int64_t soon = 0;
    leave_waiting(&soon);
    for (intptr_t i = 0; i < KINDS; i++)
        REQUIRE(pthread_create(&waiting_threads[i], NULL, thread_waits, (void *)i) == 0);
    if (arg)
        weft_sleep(TEST_MS); /* as a rule they wait by now */
    CHECK_EQ(weft_go(wait_mutex, NULL), 0);
    CHECK_EQ(weft_go(wait_sem, (void *)1), 0);
    CHECK_EQ(weft_go(wait_cond, NULL), 0);
    test_until_idle();
}

TEST(threads_go_on_waiting)
{
    /* Goal: foreign threads stay in the queues when a run ends, and are served though goroutines that are gone stood before
     * and behind them. Method: threads come between goroutines; after the run main's thread lets go. */
    for (int i = 0; i < test_scale(60) + 2; i++) {
        atomic_store(&got, 0);
        make_object();
        CHECK_EQ(test_run(start_threads_between, i % 2 ? o : NULL), 0);
        CHECK_EQ(atomic_load(&got), 0);
        weft_mutex_unlock(&o->mutex);
        weft_rwmutex_runlock(&o->read);
        weft_rwmutex_unlock(&o->written);
        weft_sem_release(&o->sem, 3);
        TEST_UNTIL((weft_cond_signal(&o->cond), atomic_load(&got) == KINDS));
        for (int k = 0; k < KINDS; k++)
            pthread_join(waiting_threads[k], NULL);
        CHECK(weft_mutex_try_lock(&o->mutex));
        CHECK(weft_rwmutex_try_lock(&o->read));
        CHECK(weft_rwmutex_try_lock(&o->written));
        CHECK(weft_sem_try_acquire(&o->sem, 3));
        free(o);
    }
}

/* ---- a once whose function a thread runs ---- */

static atomic_int once_stage;

static void run_long(void *arg)
{
    (void)arg;
    atomic_store(&once_stage, 1);
    TEST_UNTIL(atomic_load(&once_stage) == 2);
}

static void *once_on_thread(void *arg)
{
    weft_once_do(&o->once, run_long, arg);
    return NULL;
}

static void wait_once(void *arg)
{
    weft_once_do(&o->once, nothing, arg);
    went_on();
}

static void leave_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_go(wait_once, NULL), 0);
    test_until_parked(5);
}

static void do_done(void *arg)
{
    (void)arg;
    weft_once_do(&o->once, run_long, NULL);
}

TEST(a_once_that_a_thread_runs_outlives_the_run)
{
    /* Goal: a thread's function ends after the run, and its do wakes nobody of it; the once is done. */
    for (int i = 0; i < test_scale(60) + 2; i++) {
        pthread_t thread;
        make_object();
        atomic_store(&once_stage, 0);
        REQUIRE(pthread_create(&thread, NULL, once_on_thread, NULL) == 0);
        TEST_UNTIL(atomic_load(&once_stage) == 1);
        CHECK_EQ(test_run(leave_once, NULL), 0);
        CHECK(!weft_once_done(&o->once));
        atomic_store(&once_stage, 2);
        pthread_join(thread, NULL);
        CHECK(weft_once_done(&o->once));
        CHECK_EQ(test_run(do_done, NULL), 0);
        free(o);
    }
}
