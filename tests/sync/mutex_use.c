/* SPDX-License-Identifier: Apache-2.0
 * mutex_use.c - weft_mutex as goroutines and foreign threads use it: one inside at a time, none left waiting. */
#include "crew.h"

static weft_mutex mutex;

/* Plain on purpose: TSan looks for the edges from unlock to lock (HB-04). */
static long visits;
static int inside;

static void reset(void)
{
    mutex = (weft_mutex){0};
    visits = 0;
    inside = 0;
}

static void visit(void)
{
    if (inside != 0)
        FAIL("%d are inside already", inside);
    inside++;
    visits++;
}

static void leave(void)
{
    inside--;
    weft_mutex_unlock(&mutex);
}

/* ---- exclusion ---- */

static int rounds;

static void lock_often(int index)
{
    for (int i = 0; i < rounds; i++) {
        weft_mutex_lock(&mutex);
        visit();
        if ((i + index) % 16 == 0) /* the others come meanwhile, and park */
            weft_yield();
        leave();
        if ((i + index) % 64 == 1)
            weft_yield();
    }
}

static void exclude(void *arg)
{
    const struct crew_size *size = arg;
    int members = size->goroutines + size->threads;
    reset();
    rounds = test_scale(40000) / members + 1;
    crew_run(size->goroutines, size->threads, lock_often);
    CHECK_EQ(visits, (long)members * rounds);
    CHECK(weft_mutex_try_lock(&mutex));
    weft_mutex_unlock(&mutex);
}

TEST(one_is_inside_at_a_time)
{
    /* Goal: mutual exclusion, nobody is forgotten, and each sees what those before him wrote. Method: plain
     * counters; goroutines alone, with threads, threads alone beside a run and without one. */
    static struct crew_size sizes[] = {{2, 0}, {8, 0}, {64, 0}, {8, 4}, {1, 1}, {0, 4}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(exclude, &sizes[i]), 0);
    exclude(&sizes[5]);
}

/* ---- a burst: many come for one hold each, again and again ---- */

static void lock_once(int index)
{
    (void)index;
    weft_mutex_lock(&mutex);
    visit();
    leave();
}

static void bursts(void *arg)
{
    const struct crew_size *size = arg;
    struct crew crew;
    int n = size->threads ? test_scale(150) : test_scale(1500);
    reset();
    for (int i = 0; i < n; i++) {
        weft_mutex_lock(&mutex);
        crew_start(&crew, size->goroutines, size->threads, lock_once);
        if (i % 2 && !size->threads)
            test_until_parked((uint64_t)size->goroutines);
        weft_mutex_unlock(&mutex);
        crew_join(&crew);
    }
    CHECK_EQ(visits, (long)n * (size->goroutines + size->threads));
}

TEST(a_burst_leaves_nobody_waiting)
{
    /* Goal: an unlock wakes a waiter, also one that is only about to park, and when all are through nobody waits.
     * Method: the mutex is unlocked while a few come; one that is forgotten hangs, and the watchdog tells. */
    static struct crew_size sizes[] = {{1, 0}, {2, 0}, {5, 0}, {2, 2}, {0, 3}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(bursts, &sizes[i]), 0);
    bursts(&sizes[4]);
}

/* ---- try_lock ---- */

static void try_in_vain(int index)
{
    (void)index;
    for (int i = 0; i < 10; i++)
        CHECK(!weft_mutex_try_lock(&mutex));
}

static void try_held(void *arg)
{
    (void)arg;
    reset();
    CHECK(weft_mutex_try_lock(&mutex));
    CHECK(!weft_mutex_try_lock(&mutex));
    crew_run(3, 2, try_in_vain);
    weft_mutex_unlock(&mutex);
    CHECK(weft_mutex_try_lock(&mutex));
    weft_mutex_unlock(&mutex);
    weft_mutex_lock(&mutex);
    crew_run(3, 2, try_in_vain);
    weft_mutex_unlock(&mutex);
    CHECK(weft_mutex_try_lock(&mutex));
    weft_mutex_unlock(&mutex);
}

static void try_often(int index)
{
    for (int i = 0; i < rounds; i++) {
        if ((i + index) % 4 == 0)
            weft_mutex_lock(&mutex);
        else
            while (!weft_mutex_try_lock(&mutex))
                weft_yield();
        visit();
        if (i % 16 == 0)
            weft_yield();
        leave();
    }
}

static void try_among_others(void *arg)
{
    const struct crew_size *size = arg;
    reset();
    rounds = test_scale(4000);
    crew_run(size->goroutines, size->threads, try_often);
    CHECK_EQ(visits, (long)rounds * (size->goroutines + size->threads));
}

TEST(try_lock_never_waits)
{
    /* Goal: try_lock fails while somebody has it, and is as good as lock when it succeeds (MU-03). Method: tried
     * while it is held, by goroutines and threads; then mixed with lock in a crowd. */
    static struct crew_size sizes[] = {{4, 0}, {2, 2}, {0, 3}};
    CHECK_EQ(test_run(try_held, NULL), 0);
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(try_among_others, &sizes[i]), 0);
    try_among_others(&sizes[2]);
}

/* ---- who unlocks ---- */

static weft_mutex ping, pong;
static int ball; /* plain: it goes with the mutexes */

static void play(int index)
{
    weft_mutex *mine = index ? &pong : &ping, *other = index ? &ping : &pong;
    for (int i = 0; i < rounds; i++) {
        weft_mutex_lock(mine);
        CHECK_EQ(ball, 2 * i + index);
        ball++;
        weft_mutex_unlock(other);
    }
}

static void play_a_game(void *arg)
{
    const struct crew_size *size = arg;
    rounds = size->threads ? test_scale(2000) : test_scale(20000);
    ping = pong = (weft_mutex){0};
    ball = 0;
    weft_mutex_lock(&pong);
    crew_run(size->goroutines, size->threads, play);
    CHECK_EQ(ball, 2 * rounds);
    CHECK(!weft_mutex_try_lock(&pong));
    CHECK(weft_mutex_try_lock(&ping));
}

TEST(any_goroutine_or_thread_unlocks)
{
    /* Goal: the one who unlocks needn't be the one who locked (MU-02). Method: two mutexes as turns of two players,
     * each of whom locks his own and unlocks the other's. */
    static struct crew_size sizes[] = {{2, 0}, {1, 1}, {0, 2}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(play_a_game, &sizes[i]), 0);
    play_a_game(&sizes[2]);
}

static void lock_twice(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    log_event('1');
    weft_mutex_lock(&mutex);
    log_event('2');
    weft_mutex_unlock(&mutex);
}

static void not_reentrant(void *arg)
{
    (void)arg;
    reset();
    log_clear();
    crew_park(1, lock_twice, NULL);
    test_until_idle();
    CHECK_EQ(log_length(), 1);
    weft_mutex_unlock(&mutex);
    test_until_goroutines(1);
    CHECK_LOG("12");
    CHECK(weft_mutex_try_lock(&mutex));
}

TEST(the_holder_cannot_lock_again)
{
    /* Goal: a mutex isn't re-entrant (MU-02). Method: one locks twice, and goes on when main has unlocked. */
    CHECK_EQ(test_run(not_reentrant, NULL), 0);
}

/* ---- a holder that waits for other things ---- */

static void *touch_kernel(void *arg)
{
    sched_yield();
    return arg;
}

static void hold_long(int index)
{
    for (int i = 0; i < rounds; i++) {
        weft_mutex_lock(&mutex);
        visit();
        switch ((i + index) % 4) {
        case 0:
            weft_sleep(10 * WEFT_MICROSECOND);
            break;
        case 1:
            weft_blocking(touch_kernel, NULL);
            break;
        case 2:
            weft_yield();
            break;
        default:
            break;
        }
        leave();
    }
}

static void hold_and_wait(void *arg)
{
    (void)arg;
    reset();
    rounds = test_scale(200);
    crew_run(8, 2, hold_long);
    CHECK_EQ(visits, 10L * rounds);
}

TEST(the_holder_may_park_and_move)
{
    /* Goal: a mutex is a goroutine's, not a thread's or a processor's: it may be held across sleeps, blocking
     * sections and yields. Method: the same crowd with holders that do. */
    CHECK_EQ(test_run(hold_and_wait, NULL), 0);
}
