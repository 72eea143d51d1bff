/* SPDX-License-Identifier: Apache-2.0
 * held.c - a thread that is stopped for a while anywhere inside a call, as by a hostile scheduler: what the others do
 * meanwhile, and what it does when it goes on, comes out right.
 *
 * A foreign thread is held at the 1st, 2nd, 3rd ... atomic operation of a call until the others are through, or for some
 * milliseconds when they need it: these objects are locks, and who is stopped at the wrong moment holds others up. */
#include "crew.h"

#include "runtime/hooks.h"

enum { POINTS_MAX = 60 };

#define HOLD_NS (4 * TEST_MS)

static unsigned hold_at;
static atomic_bool victim_armed, victim_done, others_done, was_held;

static void (*victim_call)(void);

static void *victim(void *arg)
{
    CHECK(weft_priv_hold_at(hold_at));
    atomic_store(&victim_armed, true);
    victim_call();
    weft_priv_hold_at(0);
    atomic_store(&victim_done, true);
    return arg;
}

/* Lets the victim go on. */
static void *releaser(void *arg)
{
    struct timespec moment = {.tv_nsec = 50000};
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done));
    atomic_store(&was_held, weft_priv_held());
    for (int64_t limit = test_now() + HOLD_NS; test_now() < limit && !atomic_load(&others_done);)
        nanosleep(&moment, NULL);
    weft_priv_release();
    return arg;
}

static pthread_t victim_thread, releaser_thread;

/* Returns when the victim is held, is through, or as a rule waits. */
static void start_victim(void)
{
    int64_t limit = test_now() + TEST_MS / 2;
    atomic_store(&victim_armed, false);
    atomic_store(&victim_done, false);
    atomic_store(&others_done, false);
    weft_priv_release();
    REQUIRE(pthread_create(&victim_thread, NULL, victim, NULL) == 0);
    REQUIRE(pthread_create(&releaser_thread, NULL, releaser, NULL) == 0);
    TEST_UNTIL(atomic_load(&victim_armed));
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done) || test_now() > limit);
}

static void *join_both(void *arg)
{
    pthread_join(victim_thread, NULL);
    pthread_join(releaser_thread, NULL);
    return arg;
}

/* ---- locks, onces and semaphores in a crowd ---- */

static weft_mutex mutex;
static weft_rwmutex lock;
static weft_once once;
static weft_sem sem;
static long in_mutex, in_lock; /* plain, under them */
static atomic_int readers, units, calls;

static void call_once(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
    weft_yield();
    atomic_fetch_add(&calls, 1);
}

static void use_mutex(void)
{
    weft_mutex_lock(&mutex);
    in_mutex++;
    weft_mutex_unlock(&mutex);
}

static void use_to_read(void)
{
    weft_rwmutex_rlock(&lock);
    atomic_fetch_add(&readers, 1);
    CHECK_EQ(in_lock % 2, 0);
    atomic_fetch_sub(&readers, 1);
    weft_rwmutex_runlock(&lock);
}

static void use_to_write(void)
{
    weft_rwmutex_lock(&lock);
    in_lock++;
    CHECK_EQ(atomic_load(&readers), 0);
    in_lock++;
    weft_rwmutex_unlock(&lock);
}

static void use_sem(void)
{
    weft_sem_acquire(&sem, 2);
    CHECK_LE(atomic_fetch_add(&units, 2) + 2, 3);
    atomic_fetch_sub(&units, 2);
    weft_sem_release(&sem, 2);
}

static void use_once(void)
{
    weft_once_do(&once, call_once, NULL);
    CHECK_EQ(atomic_load(&calls), 2);
}

static void use_tries(void)
{
    if (weft_mutex_try_lock(&mutex)) {
        in_mutex++;
        weft_mutex_unlock(&mutex);
    }
    if (weft_rwmutex_try_lock(&lock)) {
        in_lock += 2;
        weft_rwmutex_unlock(&lock);
    }
    if (weft_rwmutex_try_rlock(&lock))
        weft_rwmutex_runlock(&lock);
    if (weft_sem_try_acquire(&sem, 1))
        weft_sem_release(&sem, 1);
}

static void (*const uses[])(void) = {use_mutex, use_to_read, use_to_write,
                                     use_sem,   use_once,    use_tries};

static void use_all(int index)
{
    for (size_t i = 0; i < 4 * TEST_COUNT_OF(uses); i++) {
        uses[(i + (size_t)index) % TEST_COUNT_OF(uses)]();
        if (i % 8 == 0)
            weft_yield();
    }
}

/* At first main holds all of it if arg is set. */
static void hold_among_others(void *arg)
{
    struct crew crew;
    mutex = (weft_mutex){0};
    lock = (weft_rwmutex){0};
    once = (weft_once){0};
    sem = (weft_sem)WEFT_SEM_INIT(3);
    atomic_store(&calls, 0);
    if (arg) {
        weft_mutex_lock(&mutex);
        weft_rwmutex_lock(&lock);
        weft_sem_acquire(&sem, 3);
    }
    start_victim();
    crew_start(&crew, 3, 0, use_all);
    if (arg) {
        weft_yield();
        weft_mutex_unlock(&mutex);
        weft_rwmutex_unlock(&lock);
        weft_sem_release(&sem, 3);
    }
    crew_join(&crew);
    atomic_store(&others_done, true);
    weft_blocking(join_both, NULL);
    CHECK(weft_mutex_try_lock(&mutex));
    CHECK(weft_rwmutex_try_lock(&lock));
    CHECK(weft_sem_try_acquire(&sem, 3));
    use_once();
}

/* How many points there were. */
static int hold_at_each_point(weft_fn fn, void *arg)
{
    int points = 0;
    for (hold_at = 1; hold_at < POINTS_MAX; hold_at++, points++) {
        CHECK_EQ(test_run_procs(test_procs_min(2), fn, arg), 0);
        if (!atomic_load(&was_held))
            break;
    }
    return points;
}

TEST(a_stopped_thread_breaks_no_lock)
{
    /* Goal: exclusion, and nobody is forgotten, when a thread stops anywhere within a call. Method: see above; each call
     * finds the object free, or held by main who then lets go. */
    int points = 0;
    for (size_t i = 0; i < TEST_COUNT_OF(uses); i++) {
        victim_call = uses[i];
        points += hold_at_each_point(hold_among_others, NULL);
        points += hold_at_each_point(hold_among_others, &mutex);
    }
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 5);
}

/* ---- rwmutexes whose readers are counted by processors ---- */

static void bias_lock(void)
{
    mutex = (weft_mutex){0};
    lock = (weft_rwmutex){0};
    weft_rwmutex_rlock(&lock);
    TEST_UNTIL(
        weft_priv_rwmutex_bias(&lock)); /* now and then its column is another's for a moment */
}

static void *runlock_here(void *arg)
{
    weft_rwmutex_runlock(&lock);
    return arg;
}

static void read_in_step(int index)
{
    for (int i = 0; i < 4; i++)
        (i + index) % 3 ? use_to_read() : use_to_write();
}

/* Main reads, counted by its processor, while the victim comes. */
static void leave_before_victim(void *arg)
{
    struct crew crew;
    bias_lock();
    weft_rwmutex_rlock(&lock);
    weft_blocking(runlock_here, NULL); /* the one that the state has counted */
    start_victim();
    if (arg)
        crew_start(&crew, 3, 0, read_in_step);
    weft_rwmutex_runlock(&lock);
    if (arg)
        crew_join(&crew);
    atomic_store(&others_done, true);
    weft_blocking(join_both, NULL);
    CHECK(weft_rwmutex_try_lock(&lock));
}

static void bias_anew(void)
{
    weft_rwmutex_rlock(&lock);
    weft_priv_rwmutex_bias(&lock);
    weft_rwmutex_runlock(&lock);
}

/* Nobody has the lock when the victim comes. */
static void write_before_victim(void *arg)
{
    struct crew crew;
    (void)arg;
    lock = (weft_rwmutex){0};
    start_victim();
    crew_start(&crew, 3, 0, read_in_step);
    crew_join(&crew);
    atomic_store(&others_done, true);
    weft_blocking(join_both, NULL);
    CHECK(weft_rwmutex_try_lock(&lock));
}

static void be_victim(void *arg)
{
    victim(arg);
}

/* The victim is a goroutine, which is counted by its processor. */
static void read_beside_victim(void *arg)
{
    struct crew crew;
    (void)arg;
    bias_lock();
    atomic_store(&victim_armed, false);
    atomic_store(&victim_done, false);
    atomic_store(&others_done, false);
    weft_priv_release();
    weft_rwmutex_runlock(&lock);
    REQUIRE(pthread_create(&releaser_thread, NULL, releaser, NULL) == 0);
    CHECK_EQ(weft_go(be_victim, NULL), 0);
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done));
    crew_start(&crew, 3, 0, read_in_step);
    crew_join(&crew);
    atomic_store(&others_done, true);
    TEST_UNTIL(atomic_load(&victim_done));
    pthread_join(releaser_thread, NULL);
    CHECK(weft_rwmutex_try_lock(&lock));
}

TEST(a_stopped_thread_breaks_no_bias)
{
    /* Goal: the same where readers are counted by processors: one stops while he turns that on or off, or is counted. */
    int points = 0;
    victim_call = use_to_write;
    points += hold_at_each_point(leave_before_victim, NULL);
    points += hold_at_each_point(leave_before_victim, &lock);
    victim_call = use_tries;
    points += hold_at_each_point(leave_before_victim, &lock);
    victim_call = bias_anew;
    points += hold_at_each_point(write_before_victim, NULL);
    victim_call = use_to_read;
    points += hold_at_each_point(read_beside_victim, NULL);
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 10);
}

/* ---- conds: each signal is somebody's ---- */

static weft_cond cond;
static atomic_int woken;
static atomic_bool patient_waits, patient_done;

static void wait_timed(void)
{
    weft_mutex_lock(&mutex);
    if (weft_cond_wait_until(&cond, weft_now() + 20 * WEFT_MICROSECOND) == 0)
        atomic_fetch_add(&woken, 1);
    weft_mutex_unlock(&mutex);
}

static void wait_plain(void)
{
    weft_mutex_lock(&mutex);
    weft_cond_wait(&cond);
    atomic_fetch_add(&woken, 1);
    weft_mutex_unlock(&mutex);
}

static void wait_patiently(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    atomic_store(&patient_waits, true);
    weft_cond_wait(&cond);
    atomic_fetch_add(&woken, 1);
    weft_mutex_unlock(&mutex);
    atomic_store(&patient_done, true);
}

static void hold_a_waiter(void *arg)
{
    (void)arg;
    mutex = (weft_mutex){0};
    cond = (weft_cond){0};
    weft_cond_init(&cond, &mutex);
    atomic_store(&woken, 0);
    atomic_store(&patient_waits, false);
    atomic_store(&patient_done, false);
    start_victim();
    CHECK_EQ(weft_go(wait_patiently, NULL), 0);
    TEST_UNTIL(atomic_load(&patient_waits));
    weft_mutex_lock(&mutex); /* now he does */
    weft_mutex_unlock(&mutex);
    weft_cond_signal(&cond);
    atomic_store(&others_done, true);
    TEST_UNTIL(atomic_load(&woken) > 0);
    TEST_UNTIL((weft_cond_signal(&cond), atomic_load(&patient_done) && atomic_load(&victim_done)));
    weft_blocking(join_both, NULL);
    CHECK(weft_mutex_try_lock(&mutex));
}

TEST(a_signal_is_not_lost_to_a_stopped_waiter)
{
    /* Goal: a signal goes to one who returns 0 for it, wherever another waiter stands still, in particular one whose time is
     * up. Method: one waits patiently behind him; the first signal must wake one of the two. */
    int points = 0;
    victim_call = wait_timed;
    for (int i = 0; i < test_scale(20) + 1; i++)
        points += hold_at_each_point(hold_a_waiter, NULL);
    victim_call = wait_plain;
    points += hold_at_each_point(hold_a_waiter, NULL);
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 0);
}

static void signal_once(void)
{
    weft_cond_signal(&cond);
}

static atomic_int timed_out;

static void wait_shortly(void *arg)
{
    weft_mutex_lock(&mutex);
    if (weft_cond_wait_until(&cond, weft_now() + 300 * WEFT_MICROSECOND) == 0)
        atomic_fetch_add(&woken, 1);
    else
        atomic_fetch_add(&timed_out, 1);
    weft_mutex_unlock(&mutex);
    (void)arg;
}

/* Those in front time out while the signal is on its way. */
static void hold_a_signal(void *arg)
{
    (void)arg;
    mutex = (weft_mutex){0};
    cond = (weft_cond){0};
    weft_cond_init(&cond, &mutex);
    atomic_store(&woken, 0);
    atomic_store(&timed_out, 0);
    atomic_store(&patient_waits, false);
    atomic_store(&patient_done, false);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(wait_shortly, NULL), 0);
    CHECK_EQ(weft_go(wait_patiently, NULL), 0);
    TEST_UNTIL(atomic_load(&patient_waits));
    weft_mutex_lock(&mutex);
    weft_mutex_unlock(&mutex);
    start_victim();
    TEST_UNTIL(atomic_load(&victim_done) || atomic_load(&timed_out) == 3);
    atomic_store(&others_done, true);
    weft_blocking(join_both, NULL);
    TEST_UNTIL(atomic_load(&woken) > 0);
    TEST_UNTIL(atomic_load(&timed_out) + atomic_load(&woken) >=
               (atomic_load(&patient_done) ? 4 : 3));
    CHECK_EQ(atomic_load(&woken), 1);
    weft_cond_signal(&cond);
    test_until_goroutines(1);
    CHECK_EQ(atomic_load(&timed_out) + atomic_load(&woken), 4);
}

TEST(a_stopped_signal_wakes_one)
{
    /* Goal: the same where the one who signals stands still while waiters time out. */
    int points = 0;
    victim_call = signal_once;
    for (int i = 0; i < test_scale(20) + 1; i++)
        points += hold_at_each_point(hold_a_signal, NULL);
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 0);
}
