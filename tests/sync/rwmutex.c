/* SPDX-License-Identifier: Apache-2.0
 * rwmutex.c - weft_rwmutex from inside: readers beside readers, a writer alone, and runs that end while goroutines
 * wait at the gate. */
#include "queued.h"

static weft_rwmutex rw;
static atomic_int readers, writers, got;
static long plain[4]; /* equal, but while a writer is there */
static int rounds;

/* Readers may have left it BIASED, which a writer ends. */
static bool is_as_new(void)
{
    bool is_free =
        peek(&rw.queue_) == 0 && peek(&rw.writers_.state_) == 0 && weft_rwmutex_try_lock(&rw);
    if (is_free)
        weft_rwmutex_unlock(&rw);
    return is_free && peek(&rw.state_) == 0;
}

/* ---- who may be there with whom ---- */

static void read_once(uint64_t r)
{
    if (r % 4)
        weft_rwmutex_rlock(&rw);
    else
        while (!weft_rwmutex_try_rlock(&rw))
            weft_yield();
    atomic_fetch_add(&readers, 1);
    CHECK_EQ(atomic_load(&writers), 0);
    long first = plain[0];
    if (r % 16 == 1)
        weft_yield();
    for (int i = 1; i < 4; i++)
        CHECK_EQ(plain[i], first);
    atomic_fetch_sub(&readers, 1);
    weft_rwmutex_runlock(&rw);
}

static void write_once(uint64_t r)
{
    if (r % 4)
        weft_rwmutex_lock(&rw);
    else
        while (!weft_rwmutex_try_lock(&rw))
            weft_yield();
    CHECK_EQ(atomic_fetch_add(&writers, 1), 0);
    CHECK_EQ(atomic_load(&readers), 0);
    for (int i = 0; i < 4; i++) {
        plain[i]++;
        if (r % 8 == 1)
            weft_yield();
    }
    atomic_fetch_sub(&writers, 1);
    weft_rwmutex_unlock(&rw);
}

static void use(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)&seed;
    (void)arg;
    for (int i = 0; i < rounds; i++) {
        uint64_t r = test_random(&seed) >> 8;
        if (r % 5)
            read_once(r / 5);
        else
            write_once(r / 5);
    }
}

TEST(keeps_writers_apart)
{
    /* Goal: a writer is alone, readers see whole writes, nobody waits for ever, and at the end it is as new. Method: 61
     * goroutines and 3 threads that read and write, and yield within; writes in steps. */
    rounds = test_scale(4000);
    crowd_run(61, 3, use, NULL);
    CHECK(is_as_new());
    rounds = test_scale(20000);
    crowd_run(3, 1, use, NULL);
    CHECK(is_as_new());
}

/* ---- the end of a run ---- */

static void reads(void *arg)
{
    (void)arg;
    weft_rwmutex_rlock(&rw);
    atomic_fetch_add(&got, 1);
    weft_rwmutex_runlock(&rw);
}

static void writes(void *arg)
{
    (void)arg;
    weft_rwmutex_lock(&rw);
    atomic_fetch_add(&got, 1);
    weft_rwmutex_unlock(&rw);
}

static struct outsider outside[3];

static void leave_behind_reader(void *arg)
{
    (void)arg;
    weft_rwmutex_rlock(&rw);
    CHECK_EQ(weft_go(writes, NULL), 0);
    until_queued(&rw.queue_, 1);
    outsider_start(&outside[0], reads, NULL);
    until_queued(&rw.queue_, 2);
    CHECK_EQ(weft_go(reads, NULL), 0);
    until_queued(&rw.queue_, 3);
    CHECK_EQ(weft_go(writes, NULL), 0);
    until_queued(&rw.writers_.state_, 1);
    outsider_start(&outside[1], writes, NULL);
    until_queued(&rw.writers_.state_, 2);
}

static void leave_behind_writer(void *arg)
{
    (void)arg;
    weft_rwmutex_lock(&rw);
    CHECK_EQ(weft_go(reads, NULL), 0);
    until_queued(&rw.queue_, 1);
    outsider_start(&outside[0], reads, NULL);
    until_queued(&rw.queue_, 2);
    CHECK_EQ(weft_go(writes, NULL), 0);
    until_queued(&rw.writers_.state_, 1);
    outsider_start(&outside[1], writes, NULL);
    until_queued(&rw.writers_.state_, 2);
}

TEST(waiters_of_an_ended_run_are_forgotten)
{
    /* Goal: when a writer whom all wait for goes with his run, readers behind him pass, and the next writer has his
     * turn; and the same behind a writer who stays. Method: threads among goroutines at both places where one
     * can wait; main leaves it locked, and it is unlocked after the run. */
    atomic_store(&got, 0);
    CHECK_EQ(test_run(leave_behind_reader, NULL), 0);
    TEST_UNTIL(atomic_load(&got) >= 1 ||
               queued(&rw.queue_) == 2); /* beside main, or behind the next writer */
    weft_rwmutex_runlock(&rw);
    outsider_join(&outside[0]);
    outsider_join(&outside[1]);
    CHECK_EQ(atomic_load(&got), 2);
    CHECK(is_as_new());

    atomic_store(&got, 0);
    CHECK_EQ(test_run(leave_behind_writer, NULL), 0);
    CHECK_EQ(queued(&rw.queue_), 1);
    weft_rwmutex_unlock(&rw);
    outsider_join(&outside[0]);
    outsider_join(&outside[1]);
    CHECK_EQ(atomic_load(&got), 2);
    CHECK(is_as_new());
}

static atomic_bool stop;

static void pass_often(void *arg)
{
    while (!atomic_load(&stop)) {
        if (arg)
            writes(NULL);
        else
            reads(NULL);
    }
}

static void wait_often(void *arg)
{
    for (;;) {
        if (arg)
            writes(NULL);
        else
            reads(NULL);
        weft_yield();
    }
}

static void briefly(void *arg)
{
    (void)arg;
    for (int i = 0; i < 6; i++)
        CHECK_EQ(weft_go(wait_often, i % 3 ? NULL : &rw), 0);
    int seen = atomic_load(&got);
    TEST_UNTIL(atomic_load(&got) > seen + 3);
    weft_rwmutex_lock(&rw); /* so that none of those whom the end stops has it */
}

static void unlock(void)
{
    weft_rwmutex_unlock(&rw);
}

TEST(runs_end_amid_waiters)
{
    /* Goal: the end of a run takes its goroutines out while threads read and write. Method: many runs; each main
     * ends with the lock, which is unlocked after its run. */
    void *args[3] = {&rw, NULL, NULL};
    outsiders_amid_runs(3, pass_often, args, briefly, unlock, &stop);
    CHECK(is_as_new());
}
