/* SPDX-License-Identifier: Apache-2.0
 * rwmutex_use.c - weft_rwmutex in crowds: one writer or many readers, nobody left waiting. */
#include "crew.h"

static weft_rwmutex lock;
static atomic_int readers, writers, most_readers;

/* Plain, and always equal: TSan looks for the edges between writers, and to and from readers (HB-04). */
static long first, second;

static void reset(void)
{
    lock = (weft_rwmutex){0};
    atomic_store(&readers, 0);
    atomic_store(&writers, 0);
    atomic_store(&most_readers, 0);
    first = second = 0;
}

static void read_inside(bool stay)
{
    int now = atomic_fetch_add(&readers, 1) + 1;
    if (atomic_load(&writers) != 0)
        FAIL("a reader beside %d writers", atomic_load(&writers));
    if (now > atomic_load(&most_readers))
        atomic_store(&most_readers, now);
    if (first != second)
        FAIL("a reader saw %ld and %ld", first, second);
    if (stay)
        weft_yield();
    if (first != second)
        FAIL("a reader saw %ld and %ld", first, second);
    atomic_fetch_sub(&readers, 1);
}

static void write_inside(bool stay)
{
    int others = atomic_fetch_add(&writers, 1);
    if (others != 0 || atomic_load(&readers) != 0)
        FAIL("a writer beside %d writers and %d readers", others, atomic_load(&readers));
    first++;
    if (stay)
        weft_yield();
    second++;
    atomic_fetch_sub(&writers, 1);
}

/* ---- crowds ---- */

static int rounds, one_writes_of;

static void read_or_write(int index)
{
    uint64_t seed = (uint64_t)index + 1;
    for (int i = 0; i < rounds; i++) {
        uint64_t random = test_random(&seed);
        bool stay = (random >> 32) % 8 == 0, try_it = (random >> 40) % 8 == 0;
        if (random % (uint64_t)one_writes_of == 0) {
            if (!try_it)
                weft_rwmutex_lock(&lock);
            else if (!weft_rwmutex_try_lock(&lock))
                continue;
            write_inside(stay);
            weft_rwmutex_unlock(&lock);
        } else {
            if (!try_it)
                weft_rwmutex_rlock(&lock);
            else if (!weft_rwmutex_try_rlock(&lock))
                continue;
            read_inside(stay);
            weft_rwmutex_runlock(&lock);
        }
        if ((random >> 48) % 16 == 0)
            weft_yield();
    }
}

static void crowd(void *arg)
{
    const struct crew_size *size = arg;
    int members = size->goroutines + size->threads;
    static const int shares[] = {1, 2, 5, 50};
    for (size_t i = 0; i < TEST_COUNT_OF(shares); i++) {
        reset();
        one_writes_of = shares[i];
        rounds = (size->threads ? test_scale(8000) : test_scale(60000)) / members + 1;
        crew_run(size->goroutines, size->threads, read_or_write);
        CHECK_EQ(first, second);
        CHECK(weft_rwmutex_try_lock(&lock)); /* nobody is left in it */
        weft_rwmutex_unlock(&lock);
        CHECK(weft_rwmutex_try_rlock(&lock));
        weft_rwmutex_runlock(&lock);
    }
}

TEST(one_writer_or_many_readers)
{
    /* Goal: no writer beside anybody, each sees whole what writers wrote, and nobody is forgotten. Method: two plain numbers
     * that are equal for all but the writer; none, few and many readers; 2 to 64 goroutines, with threads, threads
     * alone beside a run and without one. */
    static struct crew_size sizes[] = {{2, 0}, {8, 0}, {64, 0}, {6, 3}, {0, 4}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(crowd, &sizes[i]), 0);
    crowd(&sizes[4]);
}

/* ---- readers overlap ---- */

static atomic_int inside;
static int meeting;

static void meet_inside(int index)
{
    (void)index;
    weft_rwmutex_rlock(&lock);
    atomic_fetch_add(&inside, 1);
    TEST_UNTIL(atomic_load(&inside) == meeting);
    weft_rwmutex_runlock(&lock);
}

static void all_meet(void *arg)
{
    const struct crew_size *size = arg;
    for (int i = 0; i < 10; i++) {
        reset();
        atomic_store(&inside, 0);
        meeting = size->goroutines + size->threads;
        crew_run(size->goroutines, size->threads, meet_inside);
        weft_rwmutex_lock(&lock); /* and a writer gets in when all have left */
        weft_rwmutex_unlock(&lock);
    }
}

TEST(readers_overlap)
{
    /* Goal: any number of readers at once. Method: each stays until all are in. */
    static struct crew_size sizes[] = {{2, 0}, {100, 0}, {5, 3}, {0, 4}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(all_meet, &sizes[i]), 0);
    all_meet(&sizes[3]);
}

static void read_twice(void *arg)
{
    (void)arg;
    reset();
    for (int i = 0; i < 1000; i++)
        weft_rwmutex_rlock(&lock);
    CHECK(!weft_rwmutex_try_lock(&lock));
    CHECK(weft_rwmutex_try_rlock(&lock));
    for (int i = 0; i < 1001; i++) {
        CHECK(!weft_rwmutex_try_lock(&lock));
        weft_rwmutex_runlock(&lock);
    }
    CHECK(weft_rwmutex_try_lock(&lock));
    CHECK(!weft_rwmutex_try_rlock(&lock));
    CHECK(!weft_rwmutex_try_lock(&lock));
    weft_rwmutex_unlock(&lock);
    CHECK(weft_rwmutex_try_rlock(&lock));
    weft_rwmutex_runlock(&lock);
}

TEST(one_may_read_more_than_once)
{
    /* Goal: a thousand read locks of one goroutine are a thousand readers; neither try waits (RW-05). */
    CHECK_EQ(test_run(read_twice, NULL), 0);
    read_twice(NULL);
}

/* ---- neither side starves the other ---- */

static atomic_long reads, writes;
static atomic_bool enough;

static void keep_reading(void)
{
    while (!atomic_load(&enough)) {
        weft_rwmutex_rlock(&lock);
        weft_yield(); /* so that there are always readers */
        weft_rwmutex_runlock(&lock);
        atomic_fetch_add(&reads, 1);
    }
}

static void keep_writing(void)
{
    while (!atomic_load(&enough)) {
        weft_rwmutex_lock(&lock);
        weft_yield();
        weft_rwmutex_unlock(&lock);
        atomic_fetch_add(&writes, 1);
    }
}

static int writers_wanted;

static void keep_at_it(int index)
{
    if (index < writers_wanted)
        keep_writing();
    else
        keep_reading();
}

static void keep_all_busy(void *arg)
{
    const struct crew_size *size = arg;
    static const int wanted[] = {1, 3};
    for (size_t i = 0; i < TEST_COUNT_OF(wanted); i++) {
        struct crew crew;
        long goal = test_scale(200) + 10;
        reset();
        writers_wanted = wanted[i];
        atomic_store(&enough, false);
        atomic_store(&reads, 0);
        atomic_store(&writes, 0);
        crew_start(&crew, size->goroutines, size->threads, keep_at_it);
        TEST_UNTIL(atomic_load(&reads) >= goal && atomic_load(&writes) >= goal);
        atomic_store(&enough, true);
        crew_join(&crew);
    }
}

TEST(readers_and_writers_both_get_on)
{
    /* Goal: writers get in though there are always readers, and readers though there is always a writer. Method: each
     * yields inside and never outside, so that the others find it taken; both sides reach a number. */
    static struct crew_size sizes[] = {{6, 0}, {4, 2}, {0, 5}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(keep_all_busy, &sizes[i]), 0);
    keep_all_busy(&sizes[2]);
}
