/* SPDX-License-Identifier: Apache-2.0
 * rwmutex_bias.c - a rwmutex whose readers are counted by processors: all that others see of it stays the same. */
#include "crew.h"

#include "runtime/hooks.h"

enum { OBJECTS = 64 };

static weft_rwmutex lock;

/* How runtime/sync/rwmutex.c lays out state_. */
static uint64_t counted_in_state(const weft_rwmutex *rw)
{
    return __atomic_load_n(&rw->state_, __ATOMIC_RELAXED) & 0x7fffffff;
}

/* One reader, whom the state counts, and others by processors. */
static void start_biased(weft_rwmutex *rw)
{
    *rw = (weft_rwmutex){0};
    weft_rwmutex_rlock(rw);
    TEST_UNTIL(weft_priv_rwmutex_bias(rw)); /* for a moment its column may be another's */
}

static void *runlock_here(void *arg)
{
    weft_rwmutex_runlock(arg);
    return NULL;
}

static void *rlock_here(void *arg)
{
    weft_rwmutex_rlock(arg);
    return NULL;
}

/* On a thread of its own. */
static void on_thread(void *(*fn)(void *), weft_rwmutex *rw)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, fn, rw) == 0);
    pthread_join(thread, NULL);
}

static bool is_free(weft_rwmutex *rw)
{
    if (!weft_rwmutex_try_lock(rw))
        return false;
    weft_rwmutex_unlock(rw);
    return true;
}

/* ---- who is counted where ---- */

static void read_and_leave(void *arg)
{
    (void)arg;
    start_biased(&lock);
    for (int i = 0; i < 3; i++)
        weft_rwmutex_rlock(&lock);
    CHECK(weft_rwmutex_try_rlock(&lock));
    CHECK_EQ(counted_in_state(&lock), 1);
    on_thread(rlock_here, &lock);
    CHECK_EQ(counted_in_state(&lock), 2);
    for (int i = 0; i < 5; i++)
        CHECK(!weft_rwmutex_try_lock(&lock));
    for (int i = 0; i < 6; i++) {
        CHECK(!is_free(&lock));
        weft_rwmutex_runlock(&lock);
    }
    CHECK(is_free(&lock));
}

static void leave_elsewhere(void *arg)
{
    (void)arg;
    start_biased(&lock);
    weft_rwmutex_rlock(&lock);
    weft_rwmutex_rlock(&lock);
    for (int i = 0; i < 3; i++) {
        CHECK(!is_free(&lock));
        on_thread(runlock_here, &lock);
    }
    CHECK(is_free(&lock));
}

TEST(counts_every_reader)
{
    /* Goal: readers counted by a processor, by the state, by a try, by a foreign thread keep a writer out until all have
     * left, wherever they leave. */
    CHECK_EQ(test_run(read_and_leave, NULL), 0);
    CHECK_EQ(test_run(leave_elsewhere, NULL), 0);
}

/* ---- writers ---- */

static void write_and_log(void *name)
{
    weft_rwmutex_lock(&lock);
    log_event((char)(intptr_t)name);
    weft_rwmutex_unlock(&lock);
}

static void read_and_log(void *name)
{
    weft_rwmutex_rlock(&lock);
    log_event((char)(intptr_t)name);
    weft_rwmutex_runlock(&lock);
}

static void writer_comes(void *arg)
{
    (void)arg;
    log_clear();
    start_biased(&lock);
    weft_rwmutex_rlock(&lock);
    crew_park(1, write_and_log, (void *)'W');
    CHECK(!weft_rwmutex_try_rlock(&lock));
    crew_park(2, read_and_log, (void *)'r');
    weft_rwmutex_runlock(&lock);
    CHECK_LOG("");
    weft_rwmutex_runlock(&lock);
    test_until_goroutines(1);
    CHECK_LOG("Wr");
}

TEST(a_writer_waits_for_all_and_stops_new_readers)
{
    /* Goal: as without a bias (RW-02). */
    for (int i = 0; i < test_scale(100) + 1; i++)
        CHECK_EQ(test_run(writer_comes, NULL), 0);
}

/* ---- columns ---- */

static weft_rwmutex many[OBJECTS];

static void take_all_columns(void *arg)
{
    (void)arg;
    start_biased(&lock); /* its column will be another's: nobody is counted in it */
    start_biased(&many[0]);
    weft_rwmutex_rlock(&many[0]);
    for (int i = 1; i < OBJECTS; i++) {
        start_biased(&many[i]);
        memset(&many[i], 0, sizeof many[i]); /* it is gone */
    }
    CHECK(!is_free(&many[0]));
    weft_rwmutex_rlock(&many[0]);
    for (int i = 0; i < 3; i++) {
        CHECK(!is_free(&many[0]));
        weft_rwmutex_runlock(&many[0]);
    }
    CHECK(is_free(&many[0]));
    weft_rwmutex_rlock(&lock);
    weft_rwmutex_runlock(&lock);
    CHECK(!is_free(&lock));
    weft_rwmutex_runlock(&lock);
    CHECK(is_free(&lock));
}

TEST(columns_of_objects_that_are_gone_are_used_again)
{
    /* Goal: more objects than there are columns have one in turn, though none gives its own back; one that readers are counted
     * in isn't taken, one that was taken does its object no harm. */
    CHECK_EQ(test_run(take_all_columns, NULL), 0);
}

/* ---- the end of a run ---- */

static void read_for_ever(void *arg)
{
    weft_rwmutex_rlock(&lock);
    weft_waitgroup_done(arg);
    weft_sleep(WEFT_FOREVER);
}

static void leave_readers(void *arg)
{
    weft_waitgroup all = {0};
    (void)arg;
    start_biased(&lock);
    weft_waitgroup_add(&all, 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(read_for_ever, &all), 0);
    weft_waitgroup_wait(&all);
    weft_rwmutex_runlock(&lock);
}

static void leave_in_next_run(void *arg)
{
    (void)arg;
    weft_rwmutex_runlock(&lock);
    CHECK(!is_free(&lock));
}

TEST(readers_that_a_run_abandons_stay)
{
    /* Goal: what was counted by processors of a run that is over counts, and others can leave for those. */
    CHECK_EQ(test_run(leave_readers, NULL), 0);
    CHECK(!is_free(&lock));
    CHECK_EQ(test_run(leave_in_next_run, NULL), 0);
    weft_rwmutex_runlock(&lock);
    weft_rwmutex_runlock(&lock);
    CHECK(is_free(&lock));
}

/* ---- a crowd ---- */

static long first, second; /* plain; equal, but while somebody writes */
static atomic_bool over;
static int rounds;

static void use_one(uint64_t random)
{
    if (random % 16 == 0) {
        weft_rwmutex_lock(&lock);
        first++;
        if (random % 64 == 0)
            weft_yield();
        second++;
        weft_rwmutex_unlock(&lock);
        return;
    }
    weft_rwmutex_rlock(&lock);
    if (random % 8 == 1)
        weft_priv_rwmutex_bias(&lock);
    CHECK_EQ(first, second);
    if (random % 4 == 1)
        weft_yield(); /* it may go on elsewhere */
    CHECK_EQ(first, second);
    weft_rwmutex_runlock(&lock);
}

/* Objects that come and go, so that columns are taken away. */
static void use_own(uint64_t random)
{
    weft_rwmutex own = {0};
    weft_rwmutex_rlock(&own);
    weft_priv_rwmutex_bias(&own);
    weft_rwmutex_rlock(&own);
    if (random % 8 == 0)
        weft_yield();
    weft_rwmutex_runlock(&own);
    CHECK(!weft_rwmutex_try_lock(&own));
    weft_rwmutex_runlock(&own);
    if (random % 2)
        CHECK(weft_rwmutex_try_lock(&own));
}

static void use_in_crowd(int index)
{
    uint64_t seed = (uint64_t)index + 1;
    for (int i = 0; i < rounds; i++) {
        uint64_t random = test_random(&seed) >> 8;
        if (index % 4 == 3)
            use_own(random);
        else
            use_one(random);
    }
}

static void change_procs(void *procs)
{
    int most = (int)(intptr_t)procs;
    for (int i = 0; !atomic_load(&over); i++) {
        weft_maxprocs(1 + i % most);
        weft_yield();
    }
    weft_maxprocs(most);
}

static void crowd(void *arg)
{
    struct crew crew;
    (void)arg;
    lock = (weft_rwmutex){0};
    atomic_store(&over, false);
    rounds = test_scale(3000);
    crew_start(&crew, 12, 2, use_in_crowd);
    CHECK_EQ(weft_go(change_procs, (void *)(intptr_t)weft_maxprocs(0)), 0);
    crew_join(&crew);
    atomic_store(&over, true);
    test_until_goroutines(1);
    CHECK_EQ(first, second);
    CHECK(is_free(&lock));
}

TEST(amid_everything)
{
    /* Goal: with readers who move, threads without a processor, processors that come and go, and columns that change hands, a writer
     * is alone and nobody is forgotten. */
    for (int i = 0; i < 3; i++)
        CHECK_EQ(test_run(crowd, NULL), 0);
}
