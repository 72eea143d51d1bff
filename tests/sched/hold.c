/* SPDX-License-Identifier: Apache-2.0
 * hold.c - threads that are stopped in the middle of an operation while a run ends, or the next begins: foreign ones, and
 * goroutines that line up. The test build only, which can stop them. */
#include "threads.h"

#include "runtime/hooks.h"

enum { STOPS = 30 }; /* an operation has fewer places */

static weft_chan *chan;
static weft_waitgroup group;
static atomic_bool over, may_release;

static void reset(void)
{
    atomic_store(&over, false);
    atomic_store(&may_release, false);
}

/* Lets go of who is held when it may be, or when that is awaited by weft_run. */
static void *releases(void *arg)
{
    struct timespec moment = {.tv_nsec = 1000000};
    TEST_UNTIL(weft_priv_held() || atomic_load(&over));
    for (int i = 0; i < 40 && !atomic_load(&may_release); i++)
        nanosleep(&moment, NULL);
    weft_priv_release();
    return arg;
}

static pthread_t thread_of(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, fn, arg) == 0);
    return thread;
}

/* ---- goroutines of the run that began meanwhile ---- */

static atomic_int got;

static void receives_one(void *arg)
{
    int v = 0;
    CHECK(weft_chan_recv(arg, &v)); /* not woken for nothing */
    CHECK_EQ(v, 7);
    atomic_fetch_add(&got, 1);
}

static void those_who_wait_get_theirs(void *arg)
{
    enum { WAIT = 6 };
    weft_chan *mine = weft_chan_new(sizeof(int), 0);
    int v = 7;
    atomic_store(&got, 0);
    for (int i = 0; i < WAIT; i++)
        CHECK_EQ(weft_go(receives_one, mine), 0);
    test_until_parked(WAIT);
    atomic_store(&may_release, true);
    TEST_UNTIL(atomic_load(&over));
    test_until_parked(WAIT);
    for (int i = 0; i < WAIT; i++)
        weft_chan_send(mine, &v);
    TEST_UNTIL(atomic_load(&got) == WAIT);
    weft_chan_unref(mine);
    (void)arg;
}

/* ---- a WaitGroup's last done ---- */

static void waits(void *arg)
{
    weft_waitgroup_wait(&group);
    (void)arg;
}

static void waits_long(void *arg)
{
    weft_waitgroup_wait_until(&group, weft_now() + WEFT_HOUR);
    (void)arg;
}

static void *finishes(void *nth)
{
    weft_priv_hold_at((unsigned)(uintptr_t)nth);
    weft_waitgroup_done(&group);
    weft_priv_hold_at(0);
    atomic_store(&over, true);
    return NULL;
}

static pthread_t finisher;

static void return_amid_done(void *nth)
{
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_go(waits, NULL), 0);
        CHECK_EQ(weft_go(waits_long, NULL), 0);
    }
    test_until_parked(4);
    finisher = thread_of(finishes, nth);
    TEST_UNTIL(weft_priv_held() || atomic_load(&over));
}

TEST(a_done_over_the_end_and_the_beginning)
{
    /* Goal: a thread's last done, stopped anywhere, wakes none but those who wait for its group. The story: it had taken the
     * list, the run ended, and going on it woke a goroutine of the next run, which waited for something else. */
    for (uintptr_t n = 1; n <= STOPS; n++) {
        reset();
        group = (weft_waitgroup){0};
        weft_waitgroup_add(&group, 1);
        CHECK(!weft_priv_held());
        pthread_t releaser = thread_of(releases, NULL);
        CHECK_EQ(test_run(return_amid_done, (void *)n), 0);
        CHECK_EQ(test_run(those_who_wait_get_theirs, NULL), 0);
        pthread_join(finisher, NULL);
        pthread_join(releaser, NULL);
    }
}

/* ---- a thread's wait that times out, and sweeps ---- */

static void *times_out(void *nth)
{
    CHECK_EQ(weft_waitgroup_wait_until(&group, weft_now() + 20 * TEST_MS), -ETIMEDOUT);
    (void)nth;
    return NULL;
}

static void *sweeps(void *nth)
{
    weft_priv_hold_at((unsigned)(uintptr_t)nth);
    times_out(NULL);
    weft_priv_hold_at(0);
    atomic_store(&over, true);
    return NULL;
}

static void return_amid_sweep(void *nth)
{
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_go(waits, NULL), 0);
        CHECK_EQ(weft_go(waits_long, NULL), 0);
    }
    test_until_parked(4);
    finisher = thread_of(sweeps, nth);
    TEST_UNTIL(weft_priv_held() || atomic_load(&over));
}

TEST(a_sweep_over_the_end_and_the_beginning)
{
    /* Goal: the same for a thread whose wait has timed out, and who takes the list to clear it; the list has none of the first
     * run's when the group is used again. */
    for (uintptr_t n = 1; n <= STOPS; n++) {
        reset();
        group = (weft_waitgroup){0};
        weft_waitgroup_add(&group, 1);
        pthread_t releaser = thread_of(releases, NULL);
        CHECK_EQ(test_run(return_amid_sweep, (void *)n), 0);
        CHECK_EQ(test_run(those_who_wait_get_theirs, NULL), 0);
        pthread_join(finisher, NULL);
        pthread_join(releaser, NULL);
        weft_waitgroup_done(&group);
        CHECK_EQ(weft_waitgroup_wait_until(&group, weft_now() + WEFT_HOUR), 0);
    }
}

/* ---- operations begun before the run, while threads wait ---- */

static atomic_int threads_wait, threads_gone, sent;

static void *tries_to_send(void *nth)
{
    int v = 7;
    weft_priv_hold_at((unsigned)(uintptr_t)nth);
    int rc = weft_chan_try_send(chan, &v);
    weft_priv_hold_at(0);
    atomic_store(&sent, rc == 0);
    atomic_store(&over, true);
    return NULL;
}

static void *receives_for_a_moment(void *arg)
{
    int v;
    atomic_fetch_add(&threads_wait, 1);
    int rc = weft_chan_recv_until(chan, &v, weft_now() + *(int64_t *)arg);
    atomic_fetch_add(&got, rc == 0);
    atomic_fetch_add(&threads_gone, 1);
    return arg;
}

static void *waits_for_a_moment(void *arg)
{
    atomic_fetch_add(&threads_wait, 1);
    weft_waitgroup_wait_until(&group, weft_now() + *(int64_t *)arg);
    atomic_fetch_add(&threads_gone, 1);
    return arg;
}

static void receives_or_ends(void *arg)
{
    int v = 0;
    if (weft_chan_recv(chan, &v)) {
        CHECK_EQ(v, 7);
        atomic_fetch_add(&got, 1);
    }
    (void)arg;
}

static void line_up(void *arg)
{
    const weft_fn *fn = arg;
    struct timespec moment = {.tv_nsec = 1000000};
    TEST_UNTIL(atomic_load(&threads_gone) == 2);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(*fn, NULL), 0);
    while (!atomic_load(&over) && test_stats().parked < 3)
        nanosleep(&moment, NULL);
    atomic_store(&may_release, true);
    TEST_UNTIL(atomic_load(&over));
    if (chan)
        weft_chan_close(chan); /* who was taken out, and not woken, misses it */
    test_until_goroutines(1);
}

/* op, stopped at its nth place, takes those out who wait as `as` does; goroutines of the next run wait as fn does. */
static void begin_amid(void *(*op)(void *), uintptr_t n, void *(*as)(void *), weft_fn fn)
{
    struct timespec moment = {.tv_nsec = 1000000};
    int64_t short_ns = 3 * TEST_MS, long_ns = 15 * TEST_MS;
    reset();
    atomic_store(&threads_wait, 0);
    atomic_store(&threads_gone, 0);
    pthread_t a = thread_of(as, &short_ns);
    TEST_UNTIL(atomic_load(&threads_wait) == 1);
    nanosleep(
        &moment,
        NULL); /* as a rule it is in the channel's word by now, and the other one will be in its list */
    pthread_t b = thread_of(as, &long_ns);
    TEST_UNTIL(atomic_load(&threads_gone) >= 1);
    pthread_t thread = thread_of(op, (void *)n);
    TEST_UNTIL(weft_priv_held() || atomic_load(&over));
    pthread_t releaser = thread_of(releases, NULL);
    CHECK_EQ(test_run(line_up, &fn), 0);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    pthread_join(thread, NULL);
    pthread_join(releaser, NULL);
}

TEST(a_send_begun_before_the_run)
{
    /* Goal: a thread that began an operation before a run takes nobody of that run out without waking him. Method: threads
     * wait for a moment, so that it begins to take one, is stopped anywhere, and finds goroutines instead. */
    for (uintptr_t n = 1; n <= STOPS; n++) {
        atomic_store(&got, 0);
        atomic_store(&sent, 0);
        chan = weft_chan_new(sizeof(int), 0);
        REQUIRE(chan);
        begin_amid(tries_to_send, n, receives_for_a_moment, receives_or_ends);
        CHECK_EQ(atomic_load(&got), atomic_load(&sent));
        weft_chan_unref(chan);
    }
}

TEST(a_done_begun_before_the_run)
{
    /* Goal: the same for a WaitGroup's last done. */
    chan = NULL;
    for (uintptr_t n = 1; n <= STOPS; n++) {
        group = (weft_waitgroup){0};
        weft_waitgroup_add(&group, 1);
        begin_amid(finishes, n, waits_for_a_moment, waits);
    }
}

/* ---- goroutines that line up when their run is over ---- */

static weft_mutex mutex;
static weft_rwmutex rwmutex;
static weft_sem sem;
static weft_cond cond = WEFT_COND_INIT(&mutex);
static int64_t patience; /* of waits with a deadline */

static void lines_up_to_receive(void)
{
    weft_chan_recv(chan, NULL);
}

static void lines_up_until(void)
{
    weft_chan_recv_until(chan, NULL, weft_now() + patience);
}

static void lines_up_for_a_case(void)
{
    WEFT_SELECT(WEFT_RECV(chan, NULL), WEFT_AFTER(patience));
}

static void lines_up_for_a_group(void)
{
    weft_waitgroup_wait(&group);
}

static void lines_up_for_a_group_until(void)
{
    weft_waitgroup_wait_until(&group, weft_now() + patience);
}

static void lines_up_for_a_mutex(void)
{
    weft_mutex_lock(&mutex);
}

static void lines_up_to_read(void)
{
    weft_rwmutex_rlock(&rwmutex);
}

static void lines_up_to_write(void)
{
    weft_rwmutex_lock(&rwmutex);
}

static void lines_up_for_units(void)
{
    weft_sem_acquire(&sem, 1);
}

static void lines_up_for_a_signal(void)
{
    weft_cond_wait(&cond); /* the mutex is somebody else's */
}

struct lining_up {
    void (*way)(void);
    unsigned nth;
};

static void lines_up(void *arg)
{
    const struct lining_up *l = arg;
    weft_priv_hold_at(l->nth);
    l->way();
}

static void return_amid_lining_up(void *arg)
{
    CHECK_EQ(weft_go(lines_up, arg), 0);
    while (!weft_priv_held() && test_stats().parked == 0)
        weft_yield();
    atomic_store(&over, true);
}

static void lock_and_unlock(void *arg)
{
    weft_mutex_lock(&mutex);
    weft_mutex_unlock(&mutex);
    (void)arg;
}

static void read_a_moment(void *arg)
{
    weft_rwmutex_rlock(&rwmutex);
    weft_rwmutex_runlock(&rwmutex);
    (void)arg;
}

static void write_a_moment(void *arg)
{
    weft_rwmutex_lock(&rwmutex);
    weft_rwmutex_unlock(&rwmutex);
    (void)arg;
}

static void take_a_unit(void *arg)
{
    weft_sem_acquire(&sem, 1);
    weft_sem_release(&sem, 1);
    (void)arg;
}

/* All of it is held by the thread that runs the test, and nobody waits. */
static void nobody_is_before_us(void *arg)
{
    static const weft_fn waits_so[] = {lock_and_unlock, lock_and_unlock, read_a_moment,
                                       write_a_moment,  take_a_unit,     take_a_unit,
                                       waits,           waits_long};
    int v = 7;
    atomic_store(&got, 0);
    CHECK_EQ(weft_chan_try_send(chan, &v), -EAGAIN);
    for (size_t i = 0; i < TEST_COUNT_OF(waits_so); i++)
        CHECK_EQ(weft_go(waits_so[i], NULL), 0);
    CHECK_EQ(weft_go(receives_one, chan), 0);
    test_until_parked(TEST_COUNT_OF(waits_so) + 1);
    weft_chan_send(chan, &v);
    weft_waitgroup_done(&group);
    weft_mutex_unlock(&mutex);
    weft_rwmutex_unlock(&rwmutex);
    weft_sem_release(&sem, 1);
    test_until_goroutines(1);
    (void)arg;
}

TEST(who_lines_up_too_late_leaves_the_line)
{
    /* Goal: a goroutine that is stopped as it lines up until its run is over without it, and goes on, is in nobody's way.
     * The story: nobody took it out, and what came next was spent on it. Method: stopped anywhere, for each kind of wait. */
    static void (*const ways[])(void) = {
        lines_up_to_receive,        lines_up_until,       lines_up_for_a_case, lines_up_for_a_group,
        lines_up_for_a_group_until, lines_up_for_a_mutex, lines_up_to_read,    lines_up_to_write,
        lines_up_for_units,         lines_up_for_a_signal};
    weft_config config = {.maxprocs = 2, .stop_ns = 1};
    if (TEST_TSAN)
        SKIP("TSan doesn't see that an orphan is gone by looking at /proc");
    int threads = threads_at_rest();
    patience = WEFT_HOUR;
    for (size_t i = 0; i < TEST_COUNT_OF(ways); i++) {
        for (unsigned n = 1; n <= 20; n++) {
            struct lining_up lining_up = {ways[i], n};
            reset();
            chan = weft_chan_new(sizeof(int), 0);
            group = (weft_waitgroup){0};
            mutex = (weft_mutex){0};
            rwmutex = (weft_rwmutex){0};
            sem = (weft_sem)WEFT_SEM_INIT(1);
            weft_cond_init(&cond, &mutex);
            weft_waitgroup_add(&group, 1);
            weft_mutex_lock(&mutex);
            weft_rwmutex_lock(&rwmutex);
            weft_sem_acquire(&sem, 1);
            pthread_t releaser = thread_of(releases, NULL);
            int rc = test_run_config(return_amid_lining_up, &lining_up, &config);
            CHECK(rc == 0 || rc == -ETIMEDOUT);
            atomic_store(&may_release, true);
            pthread_join(releaser, NULL);
            until_threads(threads);
            if (ways[i] == lines_up_for_a_signal)
                weft_mutex_try_lock(&mutex);
            CHECK_EQ(test_run(nobody_is_before_us, NULL), 0);
            weft_chan_unref(chan);
        }
    }
}
