/* SPDX-License-Identifier: Apache-2.0
 * mutex_starving.c - who gets a mutex next: in the order of their coming while nobody else comes; and when a waiter
 * loses it to newcomers for more than a millisecond, he and those behind him before any newcomer (MU-06).
 *
 * A newcomer is made to win by never giving way while the mutex is free: on one processor nobody else can run then. */
#include "crew.h"

static weft_mutex mutex;
static void reset(void)
{
    mutex = (weft_mutex){0};
    log_clear();
}

static void lock_and_log(void *arg)
{
    weft_mutex_lock(&mutex);
    log_event((char)(intptr_t)arg);
    weft_mutex_unlock(&mutex);
}

static void park_lockers(int n)
{
    for (int i = 0; i < n; i++)
        crew_park((uint64_t)i + 1, lock_and_log, (void *)(intptr_t)('a' + i));
}

/* ---- nobody comes anew ---- */

static void first_come(void *arg)
{
    (void)arg;
    reset();
    weft_mutex_lock(&mutex);
    park_lockers(8);
    weft_mutex_unlock(&mutex);
    test_until_goroutines(1);
    CHECK_LOG("abcdefgh");
}

TEST(waiters_get_it_in_order)
{
    /* Goal: without newcomers waiters get the mutex in the order in which they came. Method: 8 that park one after
     * the other; most have waited for less than a millisecond, or for more, as it happens. */
    for (int i = 0; i < test_scale(100); i++)
        CHECK_EQ(test_run(first_come, NULL), 0);
}

/* ---- starvation mode ---- */

/* Longer than it takes for a waiter to be starving. */
static void let_it_starve(void)
{
    int64_t until = test_now() + 3 * TEST_MS;
    TEST_UNTIL(test_now() > until);
}

/* Main locks again at once each time; how often it got the mutex before one who waits did. */
static int compete(int limit)
{
    int won = 0;
    for (; won < limit; won++) {
        weft_mutex_unlock(&mutex);
        weft_mutex_lock(&mutex);
        if (log_length())
            return won;
        test_until_idle(); /* who was woken has seen that it is too late */
    }
    return won;
}

static void starve_one(void *arg)
{
    (void)arg;
    reset();
    weft_mutex_lock(&mutex);
    park_lockers(1);
    let_it_starve();
    CHECK_LE(compete(100), 1);
    weft_mutex_unlock(&mutex);
    test_until_goroutines(1);
    CHECK_LOG("a");
}

TEST(a_starving_waiter_gets_it_before_a_newcomer)
{
    /* Goal: who has waited for a millisecond, and finds the mutex taken once more, is handed it at the next unlock.
     * Method: main unlocks and locks at once, without giving way in between; it may win once. */
    for (int i = 0; i < test_scale(40) + 2; i++)
        CHECK_EQ(test_run(starve_one, NULL), 0);
}

static void starve_four(void *arg)
{
    (void)arg;
    reset();
    weft_mutex_lock(&mutex);
    park_lockers(4);
    let_it_starve();
    weft_mutex_unlock(&mutex);
    weft_mutex_lock(&mutex);
    if (!log_length()) { /* main was first: now a is starving */
        test_until_idle();
        weft_mutex_unlock(&mutex);
        weft_mutex_lock(&mutex); /* behind all four */
        log_event('M');
        weft_mutex_unlock(&mutex);
        test_until_goroutines(1);
        CHECK_LOG("abcdM");
    } else {
        weft_mutex_unlock(&mutex);
        test_until_goroutines(1);
        CHECK_LOG("abcd");
    }
}

TEST(starving_waiters_are_handed_it_in_turn)
{
    /* Goal: in starvation mode the mutex goes from hand to hand, and newcomers queue at the end; it lasts while those
     * who get it have waited long. Method: four wait for long; main wins once, then it comes last. */
    for (int i = 0; i < test_scale(40) + 2; i++)
        CHECK_EQ(test_run(starve_four, NULL), 0);
}

static void leave_starvation(void *arg)
{
    bool won = false;
    (void)arg;
    starve_four(NULL);
    CHECK(weft_mutex_try_lock(&mutex));
    weft_mutex_unlock(&mutex);
    for (int i = 0; i < 1000 && !won; i++) {
        log_clear();
        weft_mutex_lock(&mutex);
        park_lockers(1);
        weft_mutex_unlock(&mutex);
        weft_mutex_lock(&mutex);
        won = !log_length();
        weft_mutex_unlock(&mutex);
        test_until_goroutines(1);
    }
    CHECK(won);
}

TEST(starvation_ends_with_the_queue)
{
    /* Goal: when the last waiter has got it, the mutex is as before: try_lock succeeds, and a newcomer may win again.
     * Method: one processor, on which main wins whenever the waiter hasn't starved, as on a slow machine it may. */
    CHECK_EQ(test_run_procs(1, leave_starvation, NULL), 0);
}

/* ---- who goes on ---- */

static void keep_it_long(void *arg)
{
    int times = 0;
    (void)arg;
    reset();
    weft_mutex_lock(&mutex);
    park_lockers(1);
    for (; !log_length() && times < 100; times++) {
        weft_mutex_unlock(&mutex);
        weft_mutex_lock(&mutex);
        int64_t until = test_now() + 2 * TEST_MS;
        TEST_COMPUTE_UNTIL(test_now() > until);
    }
    weft_mutex_unlock(&mutex);
    test_until_goroutines(1);
    CHECK_LE(times, 8);
}

TEST(who_has_kept_it_for_a_millisecond_gives_way)
{
    /* Goal: one who keeps the mutex for milliseconds and at once locks it again lets a waiter have it when he unlocks it for
     * the second time, or one of the next, not only at the end of his time slice. Method: one processor, so nobody else
     * can take part; times are counted, so it doesn't matter how fast the machine is. */
    for (int i = 0; i < 5; i++)
        CHECK_EQ(test_run_procs(1, keep_it_long, NULL), 0);
}

/* ---- crowds ---- */

enum { CROWD = 8 };

static atomic_long gets[CROWD];
static atomic_bool enough;

/* Gives way only while it holds the mutex, so whoever comes meanwhile finds it taken. */
static void be_greedy(int index)
{
    while (!atomic_load(&enough)) {
        weft_mutex_lock(&mutex);
        atomic_fetch_add(&gets[index], 1);
        weft_yield();
        weft_mutex_unlock(&mutex);
    }
}

static void be_busy(int index)
{
    for (unsigned i = 1; !atomic_load(&enough); i++) {
        weft_mutex_lock(&mutex);
        atomic_fetch_add(&gets[index], 1);
        weft_mutex_unlock(&mutex);
        if (i % 1024 == 0) /* else the first keeps its processor for ever */
            weft_yield();
    }
}

static long slowest(int n)
{
    long least = atomic_load(&gets[0]);
    for (int i = 1; i < n; i++)
        least = atomic_load(&gets[i]) < least ? atomic_load(&gets[i]) : least;
    return least;
}

static long fastest(int n)
{
    long most = 0;
    for (int i = 0; i < n; i++)
        most = atomic_load(&gets[i]) > most ? atomic_load(&gets[i]) : most;
    return most;
}

/* Until each has got it so often. */
static void crowd(const struct crew_size *size, void (*fn)(int index), int least)
{
    struct crew crew;
    int n = size->goroutines + size->threads;
    reset();
    atomic_store(&enough, false);
    for (int i = 0; i < CROWD; i++)
        atomic_store(&gets[i], 0);
    crew_start(&crew, size->goroutines, size->threads, fn);
    TEST_UNTIL((weft_sleep(TEST_MS), slowest(n) >= least));
    atomic_store(&enough, true);
    crew_join(&crew);
}

static void greedy_crowd(void *arg)
{
    crowd(arg, be_greedy, test_scale(60) + 10);
}

TEST(a_greedy_crowd_lets_each_have_it)
{
    /* Goal: of several that all but never let go of the mutex each gets it again and again. Method: each gives way only
     * while it holds the mutex; without starvation mode one processor's first goroutine would keep it for ever. */
    static struct crew_size sizes[] = {{CROWD, 0}, {2, 0}, {4, 2}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(greedy_crowd, &sizes[i]), 0);
}

static void busy_crowd(void *arg)
{
    const struct crew_size *size = arg;
    long low = 0, high = 1;
    for (int attempt = 0; attempt < 20 && low * 20 < high; attempt++) { /* noise may spoil some */
        crowd(size, be_busy, test_scale(50000) + 1000);
        low = slowest(CROWD), high = fastest(CROWD);
    }
    fprintf(stderr, "    the slowest got it %ld times, the fastest %ld\n", low, high);
    CHECK_GE(low * 20, high);
}

TEST(a_busy_crowd_shares_it)
{
    /* Goal: eight goroutines hammering one mutex get it about as often: a twentieth of the fastest's share, half
     * as a rule. Method: counted when each has got it some 50 000 times. */
    static struct crew_size size = {CROWD, 0};
    CHECK_EQ(test_run(busy_crowd, &size), 0);
}

static atomic_long polite_gets;

static void be_polite(int index)
{
    (void)index;
    while (!atomic_load(&enough)) {
        weft_mutex_lock(&mutex);
        atomic_fetch_add(&polite_gets, 1);
        weft_mutex_unlock(&mutex);
        weft_yield();
    }
}

static void be_either(int index)
{
    if (index == 0)
        be_greedy(index);
    else
        be_polite(index);
}

static void polite_behind_greedy(void *arg)
{
    const struct crew_size *size = arg;
    struct crew crew;
    reset();
    atomic_store(&enough, false);
    atomic_store(&gets[0], 0);
    atomic_store(&polite_gets, 0);
    crew_start(&crew, size->goroutines, size->threads, be_either);
    TEST_UNTIL(atomic_load(&polite_gets) >= test_scale(200) + 20);
    atomic_store(&enough, true);
    crew_join(&crew);
}

TEST(a_polite_one_gets_it_from_a_greedy_one)
{
    /* Goal: one who holds a mutex all the time doesn't keep it from one who takes it for a moment. Method: the polite
     * one gets it some 200 times; a goroutine or a thread each. */
    static struct crew_size sizes[] = {{2, 0}, {1, 1}, {0, 2}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(polite_behind_greedy, &sizes[i]), 0);
    polite_behind_greedy(&sizes[2]);
}
