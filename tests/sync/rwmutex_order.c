/* SPDX-License-Identifier: Apache-2.0
 * rwmutex_order.c - weft_rwmutex step by step: who waits for whom, and who goes first. Each step is settled, all others
 * parked, before the next. */
#include "crew.h"

static weft_rwmutex lock;
static atomic_bool may_leave;

static void reset(void)
{
    lock = (weft_rwmutex){0};
    atomic_store(&may_leave, true);
    log_clear();
}

/* In a run that checks the order these are parked one by one. */
static void read_and_log(void *name)
{
    weft_rwmutex_rlock(&lock);
    log_event((char)(intptr_t)name);
    TEST_UNTIL(atomic_load(&may_leave));
    weft_rwmutex_runlock(&lock);
}

static void write_and_log(void *name)
{
    weft_rwmutex_lock(&lock);
    log_event((char)(intptr_t)name);
    weft_rwmutex_unlock(&lock);
}

static void park_reader(uint64_t parked, char name)
{
    crew_park(parked, read_and_log, (void *)(intptr_t)name);
}

static void park_writer(uint64_t parked, char name)
{
    crew_park(parked, write_and_log, (void *)(intptr_t)name);
}

/* ---- a writer that waits ---- */

static void writer_first(void *arg)
{
    (void)arg;
    reset();
    weft_rwmutex_rlock(&lock);
    weft_rwmutex_rlock(&lock);
    park_writer(1, 'W');
    CHECK(!weft_rwmutex_try_rlock(&lock));
    CHECK(!weft_rwmutex_try_lock(&lock));
    park_reader(2, 'r');
    park_reader(3, 'r');
    weft_rwmutex_runlock(&lock);
    test_until_idle();
    CHECK_LOG("");
    CHECK(!weft_rwmutex_try_rlock(&lock));
    weft_rwmutex_runlock(&lock);
    test_until_goroutines(1);
    CHECK_LOG("Wrr");
}

TEST(a_waiting_writer_stops_new_readers)
{
    /* Goal: who comes to read while a writer waits, waits behind him, and a try fails (RW-02); the writer goes when the
     * readers before him have left. */
    for (int i = 0; i < test_scale(100) + 1; i++)
        CHECK_EQ(test_run(writer_first, NULL), 0);
}

static void readers_between(void *arg)
{
    (void)arg;
    reset();
    weft_rwmutex_lock(&lock);
    park_reader(1, 'r');
    park_reader(2, 'r');
    park_writer(3, 'W');
    park_reader(4, 'r');
    park_writer(5, 'W');
    CHECK(!weft_rwmutex_try_rlock(&lock));
    atomic_store(&may_leave, false);
    weft_rwmutex_unlock(&lock);
    TEST_UNTIL(log_length() == 3); /* all three read together */
    /* The first writer has come to the gate, too: till then a try gets past it, as in Go. */
    test_until_parked(2);
    for (int i = 0; i < 100; i++)
        weft_yield();
    CHECK_LOG("rrr");
    CHECK(!weft_rwmutex_try_rlock(&lock));
    atomic_store(&may_leave, true);
    test_until_goroutines(1);
    CHECK_LOG("rrrWW");
}

TEST(an_unlock_lets_in_the_readers_that_waited)
{
    /* Goal: when a writer unlocks, all who waited to read by then go before the next writer, also those who came after
     * him. Method: readers and writers park in turn; the readers stay inside. */
    for (int i = 0; i < test_scale(100) + 1; i++)
        CHECK_EQ(test_run(readers_between, NULL), 0);
}

static void writers_in_order(void *arg)
{
    (void)arg;
    reset();
    weft_rwmutex_lock(&lock);
    for (int i = 0; i < 5; i++)
        park_writer((uint64_t)i + 1, (char)('A' + i));
    weft_rwmutex_unlock(&lock);
    test_until_goroutines(1);
    CHECK_LOG("ABCDE");
}

TEST(writers_go_in_turn)
{
    /* Goal: writers get it in the order in which they came when nobody comes anew. */
    for (int i = 0; i < test_scale(100) + 1; i++)
        CHECK_EQ(test_run(writers_in_order, NULL), 0);
}

static void phases(void *arg)
{
    (void)arg;
    reset();
    weft_rwmutex_rlock(&lock);
    park_writer(1, 'W');
    park_writer(2, 'W');
    for (int i = 0; i < 3; i++)
        park_reader((uint64_t)i + 3, 'r');
    weft_rwmutex_runlock(&lock);
    test_until_goroutines(1);
    CHECK_LOG("WrrrW");
}

TEST(readers_go_between_two_writers)
{
    /* Goal: with both waiting, writers and readers take turns: a writer, all readers, the next writer. */
    for (int i = 0; i < test_scale(100) + 1; i++)
        CHECK_EQ(test_run(phases, NULL), 0);
}

/* ---- tries ---- */

static void tries(void *arg)
{
    (void)arg;
    reset();
    CHECK(weft_rwmutex_try_rlock(&lock));
    CHECK(weft_rwmutex_try_rlock(&lock));
    CHECK(!weft_rwmutex_try_lock(&lock));
    CHECK(weft_rwmutex_try_rlock(&lock)); /* the try in vain stops no readers */
    weft_rwmutex_rlock(&lock);
    for (int i = 0; i < 4; i++)
        weft_rwmutex_runlock(&lock);
    CHECK(weft_rwmutex_try_lock(&lock));
    CHECK(!weft_rwmutex_try_lock(&lock));
    CHECK(!weft_rwmutex_try_rlock(&lock));
    weft_rwmutex_unlock(&lock);
    weft_rwmutex_lock(&lock);
    CHECK(!weft_rwmutex_try_lock(&lock));
    CHECK(!weft_rwmutex_try_rlock(&lock));
    weft_rwmutex_unlock(&lock);
    CHECK(weft_rwmutex_try_rlock(&lock));
    weft_rwmutex_runlock(&lock);
}

TEST(a_try_leaves_no_trace)
{
    /* Goal: try_rlock succeeds beside readers, try_lock fails beside anybody (RW-05), and what failed changes nothing. */
    CHECK_EQ(test_run(tries, NULL), 0);
    tries(NULL);
}

/* ---- who unlocks ---- */

static void unlock_read(int index)
{
    (void)index;
    weft_rwmutex_runlock(&lock);
}

static void unlock_write(int index)
{
    (void)index;
    weft_rwmutex_unlock(&lock);
}

static void unlock_by_others(void *arg)
{
    (void)arg;
    for (int i = 0; i < test_scale(100) + 1; i++) {
        reset();
        for (int k = 0; k < 6; k++)
            weft_rwmutex_rlock(&lock);
        park_writer(1, 'W');
        crew_run(4, 2, unlock_read);
        test_until_goroutines(1);
        weft_rwmutex_lock(&lock);
        park_reader(1, 'r');
        crew_run(i % 2, !(i % 2), unlock_write);
        test_until_goroutines(1);
        CHECK_LOG("Wr");
        CHECK(weft_rwmutex_try_lock(&lock));
    }
}

TEST(any_goroutine_or_thread_unlocks)
{
    /* Goal: read and write locks are nobody's in particular (RW-06), on whatever processor. Method: main locks, goroutines
     * and threads unlock. */
    CHECK_EQ(test_run(unlock_by_others, NULL), 0);
}

/* ---- the last reader that was there wakes the writer ---- */

static void count_down(void *arg)
{
    int n = *(int *)arg;
    reset();
    for (int i = 0; i < n; i++)
        weft_rwmutex_rlock(&lock);
    park_writer(1, 'W');
    park_reader(2, 'r');
    for (int i = 0; i < n - 1; i++)
        weft_rwmutex_runlock(&lock);
    test_until_idle();
    CHECK_LOG("");
    weft_rwmutex_runlock(&lock);
    test_until_goroutines(1);
    CHECK_LOG("Wr");
}

TEST(a_writer_waits_for_the_readers_before_him)
{
    /* Goal: a writer goes when the last of those who read at his arrival has left, not before, and not when a later
     * one would (RW-07). Method: 1 to 50 readers. */
    for (int n = 1; n <= 50; n = n * 2 + 1)
        CHECK_EQ(test_run(count_down, &n), 0);
}

/* ---- threads ---- */

static void step_reader(int index)
{
    (void)index;
    read_and_log((void *)(intptr_t)'r');
}

static void step_writer(int index)
{
    (void)index;
    write_and_log((void *)(intptr_t)'W');
}

static void beside_threads(void *arg)
{
    (void)arg;
    for (int i = 0; i < test_scale(100) + 1; i++) {
        struct crew readers, writers;
        reset();
        weft_rwmutex_lock(&lock);
        crew_start(&readers, 2, 2, step_reader);
        crew_start(&writers, 1, 1, step_writer);
        if (i % 2)
            test_until_parked(3);
        CHECK_EQ(log_length(), 0);
        weft_rwmutex_unlock(&lock);
        crew_join(&readers);
        crew_join(&writers);
        CHECK_EQ(log_length(), 6);
        CHECK(weft_rwmutex_try_lock(&lock));
    }
}

TEST(goroutines_and_threads_wait_together)
{
    /* Goal: an unlock lets in goroutines and threads alike. */
    CHECK_EQ(test_run(beside_threads, NULL), 0);
}
