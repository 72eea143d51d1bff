/* SPDX-License-Identifier: Apache-2.0
 * foreign.c - threads that weft did not start: they start goroutines and wait for them (GO-25). */
#include "../test.h"

enum { FOREIGN = 4, EACH = 200 };
static atomic_int foreign_calls;

static void foreign_call(void *arg)
{
    CHECK_NE(weft_self(), 0);
    weft_yield();
    atomic_fetch_add(&foreign_calls, 1);
    weft_waitgroup_done(arg);
}

static void *foreign_caller(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    CHECK_EQ(weft_self(), 0);
    for (int round = 0; round < 4; round++) {
        weft_waitgroup_add(&wg, EACH / 4);
        for (int i = 0; i < EACH / 4; i++)
            CHECK_EQ(weft_go(foreign_call, &wg), 0);
        weft_waitgroup_wait(&wg);
    }
    CHECK_EQ(weft_self(), 0);
    weft_yield();
    return NULL;
}

static void *foreign_callers(void *arg)
{
    pthread_t threads[FOREIGN];
    for (int i = 0; i < FOREIGN; i++)
        REQUIRE(pthread_create(&threads[i], NULL, foreign_caller, arg) == 0);
    for (int i = 0; i < FOREIGN; i++)
        pthread_join(threads[i], NULL);
    return NULL;
}

static void blocked_main(void *arg)
{
    weft_blocking(foreign_callers, arg);
    CHECK_EQ(atomic_load(&foreign_calls), FOREIGN * EACH);
}

TEST(foreign_threads_start_and_wait)
{
    /* Goal: threads that weft did not start can start goroutines and wait for them, while main is
     * blocked. Method: 4 threads, exact totals. */
    atomic_store(&foreign_calls, 0);
    CHECK_EQ(test_run(blocked_main, NULL), 0);
}

/* ---- by the thousand ---- */

enum {
    BATCH = 25,     /* threads at once */
    STARTS = 3,     /* goroutines of each */
    CROWD = 1000,   /* threads in all */
    ID_BLOCK = 256, /* ids that a record takes at once (runtime/sched/internal.h) */
    BLOCKS_MAX = CROWD * STARTS + 4 * CROWD /* more than are taken if each thread makes a record */
};

struct visitor {
    weft_waitgroup done;
    atomic_int ran;
    pthread_t thread;
};

static atomic_bool block_seen[BLOCKS_MAX];
static atomic_int blocks_seen;

static void note_id(void *arg)
{
    struct visitor *v = arg;
    uint64_t block = (weft_self() - 1) / ID_BLOCK;
    if (block >= BLOCKS_MAX || !atomic_exchange(&block_seen[block], true))
        atomic_fetch_add(&blocks_seen, 1);
    weft_yield();
    atomic_fetch_add(&v->ran, 1);
    weft_waitgroup_done(&v->done);
}

static void *visit(void *arg)
{
    struct visitor *v = arg;
    for (int i = 1; i <= STARTS; i++) {
        weft_waitgroup_add(&v->done, 1);
        CHECK_EQ(weft_go(note_id, v), 0);
        weft_waitgroup_wait(&v->done);
        CHECK_EQ(atomic_load(&v->ran), i);
    }
    return NULL;
}

static void *visit_in_batches(void *arg)
{
    static struct visitor visitors[BATCH];
    int crowd = *(int *)arg;
    for (int began = 0; began < crowd; began += BATCH) {
        memset(visitors, 0, sizeof(visitors));
        for (int i = 0; i < BATCH; i++)
            REQUIRE(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]) == 0);
        for (int i = 0; i < BATCH; i++)
            REQUIRE(pthread_join(visitors[i].thread, NULL) == 0);
    }
    return NULL;
}

static void receive_crowd(void *crowd)
{
    weft_blocking(visit_in_batches, crowd);
    test_until_goroutines(1);
}

TEST(a_thousand_threads_use_the_records_of_a_few)
{
    /* Goal: threads come, start goroutines, wait for them and go, by the thousand, and what weft keeps for each is
     * used again by the next. Method: 25 at once. A record takes its goroutines' ids in blocks, which it keeps when its
     * thread has gone: so the blocks that these ids are of tell how many records there are. */
    int crowd = test_instrumented() ? CROWD / 5 : CROWD;
    atomic_store(&blocks_seen, 0);
    CHECK_EQ(test_run(receive_crowd, &crowd), 0);
    int blocks = atomic_load(&blocks_seen), begun = crowd * STARTS / ID_BLOCK;
    fprintf(stderr, "    %d threads, ids of %d blocks\n", crowd, blocks);
    CHECK_GT(blocks, 0);
    CHECK_LE(blocks, BATCH + begun);
}

/* ---- while runs end ---- */

static void nothing(void *arg)
{
    (void)arg;
}

static atomic_bool hammer_stop;
static atomic_long hammer_started, hammer_refused;
static atomic_long hammer_most; /* to start, or a busy machine's run has millions */

static void *hammer(void *arg)
{
    (void)arg;
    while (!atomic_load(&hammer_stop)) {
        if (atomic_load(&hammer_started) >= atomic_load(&hammer_most)) {
            sched_yield();
            continue;
        }
        int result = weft_go(nothing, NULL);
        if (result == 0)
            atomic_fetch_add(&hammer_started, 1);
        else if (result == -ESRCH)
            atomic_fetch_add(&hammer_refused, 1);
        else
            FAIL("weft_go gives %d", result);
        for (volatile int i = 0; i < 200; i++)
            ;
    }
    return NULL;
}

static void until_some_started(void *arg)
{
    long before = *(long *)arg;
    TEST_UNTIL(atomic_load(&hammer_started) > before + 3);
}

TEST(starting_races_with_the_end)
{
    /* Goal: a foreign thread may call weft_go while a run begins or ends: 0 or -ESRCH, no harm.
     * Method: a thread that calls all the time, and runs that end after some starts. */
    pthread_t thread;
    atomic_store(&hammer_stop, false);
    atomic_store(&hammer_most, 10000);
    REQUIRE(pthread_create(&thread, NULL, hammer, NULL) == 0);
    for (int i = 0; i < test_scale(100) + 5; i++) {
        long before = atomic_load(&hammer_started);
        CHECK_EQ(test_run(until_some_started, &before), 0);
        long refused = atomic_load(&hammer_refused);
        atomic_fetch_add(&hammer_most, 10000);
        TEST_UNTIL(atomic_load(&hammer_refused) > refused);
    }
    atomic_store(&hammer_stop, true);
    pthread_join(thread, NULL);
    CHECK_GT(atomic_load(&hammer_started), 0);
}
