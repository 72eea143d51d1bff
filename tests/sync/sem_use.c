/* SPDX-License-Identifier: Apache-2.0
 * sem_use.c - weft_sem: strict order and weights. What panics is in misuse.c. */
#include "crew.h"

static weft_sem sem;

static void reset(int64_t size)
{
    sem = (weft_sem)WEFT_SEM_INIT(size);
    log_clear();
}

/* ---- order ---- */

struct want {
    int64_t n;
    char name;
};

static void acquire_and_log(void *arg)
{
    const struct want *want = arg;
    weft_sem_acquire(&sem, want->n);
    log_event(want->name);
}

/* Each parks before the next comes. */
static void park_wants(struct want *wants, size_t n)
{
    for (size_t i = 0; i < n; i++)
        crew_park(i + 1, acquire_and_log, &wants[i]);
}

static void release_and_settle(int64_t n)
{
    weft_sem_release(&sem, n);
    test_until_idle();
}

static void first_come(void *arg)
{
    static struct want ones[] = {{1, 'a'}, {1, 'b'}, {1, 'c'}, {1, 'd'}, {1, 'e'}, {1, 'f'}};
    static const char *const logs[] = {"a", "ab", "abc", "abcd", "abcde", "abcdef"};
    (void)arg;
    reset(6);
    weft_sem_acquire(&sem, 6);
    park_wants(ones, TEST_COUNT_OF(ones));
    for (size_t i = 0; i < TEST_COUNT_OF(logs); i++) {
        release_and_settle(1);
        CHECK_LOG(logs[i]);
    }
    CHECK_EQ(weft_num_goroutine(), 1);
    CHECK(!weft_sem_try_acquire(&sem, 1));
    weft_sem_release(&sem, 6);
    CHECK(weft_sem_try_acquire(&sem, 6));
}

TEST(first_come_first_served)
{
    /* Goal: waiters are served in the order of their coming (SM-01), one for each unit released. Method: 6 that parked in
     * order; after each release all is idle. */
    for (int i = 0; i < test_scale(100) + 1; i++)
        CHECK_EQ(test_run(first_come, NULL), 0);
}

static void big_first(void *arg)
{
    static struct want wants[] = {{5, 'B'}, {1, 'a'}, {0, 'z'}, {2, 'b'}, {4, 'C'}, {1, 'c'}};
    (void)arg;
    reset(8);
    weft_sem_acquire(&sem, 8);
    park_wants(wants, TEST_COUNT_OF(wants));
    release_and_settle(4); /* room for all the small ones, but the big one is first */
    CHECK_LOG("");
    CHECK(!weft_sem_try_acquire(&sem, 1));
    CHECK(!weft_sem_try_acquire(&sem, 0));
    weft_sem_release(&sem, 1); /* 5: B goes, a needs another one */
    test_until_idle();
    CHECK_LOG("B");
    weft_sem_release(&sem, 3); /* a and z and b at once, in whatever order they run */
    test_until_idle();
    CHECK_EQ(log_length(), 4);
    CHECK_EQ(weft_num_goroutine(), 3);
    weft_sem_release(&sem, 3); /* 3 of the 4 that C waits for */
    test_until_idle();
    CHECK_EQ(log_length(), 4);
    release_and_settle(1);
    CHECK_EQ(log_length(), 5);
    CHECK(strchr(log_text((char[CREW_LOG]){0}), 'C'));
    release_and_settle(1);
    CHECK_EQ(log_length(), 6);
    CHECK_EQ(weft_num_goroutine(), 1);
}

TEST(a_big_one_at_the_head_blocks_small_ones)
{
    /* Goal: strict order with weights, also for those who want nothing: room for the small ones behind a big one is kept
     * for that (SM-01). Method: releases that would do for those behind. */
    for (int i = 0; i < test_scale(100) + 1; i++)
        CHECK_EQ(test_run(big_first, NULL), 0);
}

/* ---- without waiting ---- */

static void without_waiting(void)
{
    weft_sem zero = {0}, full = WEFT_SEM_INIT(3), huge = WEFT_SEM_INIT(INT64_MAX);
    weft_sem_acquire(&zero, 0);
    CHECK(weft_sem_try_acquire(&zero, 0));
    CHECK(!weft_sem_try_acquire(&zero, 1));
    weft_sem_release(&zero, 0);
    weft_sem_acquire(&full, 1);
    weft_sem_acquire(&full, 0);
    CHECK(weft_sem_try_acquire(&full, 2));
    CHECK(weft_sem_try_acquire(&full, 0)); /* SM-05: nobody waits */
    CHECK(!weft_sem_try_acquire(&full, 1));
    CHECK(!weft_sem_try_acquire(&full, 4)); /* more than there will ever be */
    CHECK(!weft_sem_try_acquire(&full, INT64_MAX));
    weft_sem_release(&full, 2);
    CHECK(!weft_sem_try_acquire(&full, 3));
    CHECK(weft_sem_try_acquire(&full, 2));
    weft_sem_release(&full, 3);
    weft_sem_acquire(&full, 3);
    weft_sem_acquire(&huge, INT64_MAX);
    CHECK(!weft_sem_try_acquire(&huge, 1));
    CHECK(!weft_sem_try_acquire(&huge, INT64_MAX));
    weft_sem_release(&huge, INT64_MAX);
    weft_sem_acquire(&huge, INT64_MAX - 1);
    CHECK(!weft_sem_try_acquire(&huge, 2));
    CHECK(!weft_sem_try_acquire(&huge, INT64_MAX));
    CHECK(weft_sem_try_acquire(&huge, 1));
}

static void without_waiting_in_run(void *arg)
{
    (void)arg;
    without_waiting();
}

TEST(what_fits_is_had_at_once)
{
    /* Goal: acquire and try_acquire without waiters; zero units; sizes of zero and INT64_MAX. */
    without_waiting();
    CHECK_EQ(test_run(without_waiting_in_run, NULL), 0);
}

static void pass_the_waiting(void *arg)
{
    static struct want two = {2, 'w'};
    (void)arg;
    reset(3);
    weft_sem_acquire(&sem, 2);
    crew_park(1, acquire_and_log, &two);
    CHECK(!weft_sem_try_acquire(&sem, 1)); /* there is room for one, but somebody waits */
    CHECK(!weft_sem_try_acquire(&sem, 0));
    release_and_settle(1);
    CHECK_LOG("w");
    CHECK(!weft_sem_try_acquire(&sem, 1));
    CHECK(weft_sem_try_acquire(&sem, 0));
    weft_sem_release(&sem, 3);
    CHECK(weft_sem_try_acquire(&sem, 3));
}

TEST(try_acquire_passes_nobody)
{
    /* Goal: try_acquire fails while somebody waits, though there is room. */
    CHECK_EQ(test_run(pass_the_waiting, NULL), 0);
}

static void ask_for_too_much(void *arg)
{
    static struct want too_much[] = {{4, 'x'}, {INT64_MAX, 'y'}};
    static struct want one = {1, 'o'};
    (void)arg;
    reset(3);
    park_wants(too_much, 2);
    weft_sem_acquire(&sem, 3); /* they block nobody */
    weft_sem_release(&sem, 3);
    CHECK(weft_sem_try_acquire(&sem, 2));
    CHECK(weft_sem_try_acquire(&sem, 0));
    weft_sem_acquire(&sem, 1);
    crew_park(3, acquire_and_log, &one);
    release_and_settle(1);
    CHECK_LOG("o");
    release_and_settle(3);
    CHECK_LOG("o");
    CHECK_EQ(weft_num_goroutine(), 3);
}

TEST(more_than_the_size_waits_for_ever)
{
    /* Goal: an acquire of more than the size never returns, and is in nobody's way (SM-02). Method: two such, beside
     * others; they are parked when main returns. */
    CHECK_EQ(test_run(ask_for_too_much, NULL), 0);
}

/* ---- crowds ---- */

enum { SIZE = 10 };

static atomic_llong in_use, most_in_use, acquired;
static int rounds;

static void enter(int64_t n)
{
    int64_t now = atomic_fetch_add(&in_use, n) + n;
    if (now > SIZE)
        FAIL("%" PRId64 " of %d are in use", now, SIZE);
    if (now > atomic_load(&most_in_use))
        atomic_store(&most_in_use, now);
    atomic_fetch_add(&acquired, n);
}

static void use_some(int index)
{
    uint64_t seed = (uint64_t)index * 77 + 1;
    for (int i = 0; i < rounds; i++) {
        uint64_t random = test_random(&seed);
        int64_t n = random % 32 ? (int64_t)(random % 7) : SIZE;
        if (random >> 60 == 0) {
            if (!weft_sem_try_acquire(&sem, n))
                continue;
        } else {
            weft_sem_acquire(&sem, n);
        }
        enter(n);
        if ((random >> 32) % 4 == 0)
            weft_yield();
        atomic_fetch_sub(&in_use, n);
        if (n > 1 && (random >> 40) % 2) { /* in parts */
            weft_sem_release(&sem, 1);
            n--;
        }
        weft_sem_release(&sem, n);
    }
}

static void crowd(void *arg)
{
    const struct crew_size *size = arg;
    int members = size->goroutines + size->threads;
    reset(SIZE);
    atomic_store(&in_use, 0);
    atomic_store(&most_in_use, 0);
    rounds = (size->threads ? test_scale(5000) : test_scale(40000)) / members + 1;
    crew_run(size->goroutines, size->threads, use_some);
    CHECK_EQ(atomic_load(&in_use), 0);
    CHECK(weft_sem_try_acquire(&sem, SIZE)); /* nothing is missing, and nobody waits */
    CHECK(!weft_sem_try_acquire(&sem, 1));
}

TEST(no_more_than_the_size_is_in_use)
{
    /* Goal: random weights in a crowd never exceed the size, nobody is left waiting, and all units come back. Method:
     * goroutines, threads, both; a lost wake-up hangs. */
    static struct crew_size sizes[] = {{2, 0}, {8, 0}, {64, 0}, {6, 4}, {0, 4}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(crowd, &sizes[i]), 0);
    crowd(&sizes[4]);
}

/* One unit as a mutex: TSan looks for the edge from release to acquire. */
static long plain;

static void use_plain(int index)
{
    for (int i = 0; i < rounds; i++) {
        weft_sem_acquire(&sem, 1);
        plain++;
        if ((i + index) % 8 == 0)
            weft_yield();
        weft_sem_release(&sem, 1);
    }
}

static void binary(void *arg)
{
    const struct crew_size *size = arg;
    reset(1);
    plain = 0;
    rounds = test_scale(5000);
    crew_run(size->goroutines, size->threads, use_plain);
    CHECK_EQ(plain, (long)rounds * (size->goroutines + size->threads));
}

TEST(a_release_is_seen_by_the_next_acquire)
{
    /* Goal: what was written before a release is visible after the acquire that it let in. Method: a plain counter. */
    static struct crew_size sizes[] = {{8, 0}, {3, 3}, {0, 2}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(binary, &sizes[i]), 0);
    binary(&sizes[2]);
}

static weft_sem filled, emptied;
static int64_t batch;

/* Credits: each acquires what the other releases, in other portions. */
static void exchange(int index)
{
    int64_t mine = index ? 3 : 2;
    for (int64_t i = 0; i < batch; i += mine) {
        weft_sem_acquire(index ? &filled : &emptied, mine);
        if (index == 0)
            plain++;
        weft_sem_release(index ? &emptied : &filled, mine);
    }
}

static void credits(void *arg)
{
    const struct crew_size *size = arg;
    filled = emptied = (weft_sem)WEFT_SEM_INIT(12);
    weft_sem_acquire(&filled, 12);
    plain = 0;
    batch = 6 * (int64_t)test_scale(5000);
    crew_run(size->goroutines, size->threads, exchange);
    CHECK_EQ(plain, batch / 2);
    CHECK(weft_sem_try_acquire(&emptied, 12));
    CHECK(!weft_sem_try_acquire(&filled, 1));
}

TEST(units_may_be_released_by_others)
{
    /* Goal: who releases needn't be who acquired. Method: a producer and a consumer with two semaphores. */
    static struct crew_size sizes[] = {{2, 0}, {1, 1}, {0, 2}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(credits, &sizes[i]), 0);
    credits(&sizes[2]);
}
