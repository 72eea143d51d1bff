/* SPDX-License-Identifier: Apache-2.0
 * mutex.c - the mutex from inside: exclusion under delays, starvation reached and left, runs that end while
 * goroutines wait, mutexes that vanish. */
#include "queued.h"

enum { STARVING = 8 }; /* mutex.c's */

static weft_mutex m;
static long plain; /* under m */
static int rounds;

/* ---- exclusion ---- */

static void hammer(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)&seed;
    (void)arg;
    for (int i = 0; i < rounds; i++) {
        uint64_t r = test_random(&seed) % 64;
        if (r == 0) {
            while (!weft_mutex_try_lock(&m))
                weft_yield();
        } else {
            weft_mutex_lock(&m);
        }
        long was = plain;
        if (r < 4)
            weft_yield();
        plain = was + 1;
        weft_mutex_unlock(&m);
        if (r > 60)
            weft_yield();
    }
}

TEST(excludes)
{
    /* Goal: one at a time has the mutex, goroutine or thread, and sees what the one before wrote; nobody waits for
     * ever; when all are through it is as new. Method: increments that are torn apart by yields. */
    rounds = test_scale(20000);
    plain = 0;
    crowd_run(8, 3, hammer, NULL);
    CHECK_EQ(plain, 11L * rounds);
    CHECK_EQ(peek(&m.state_), 0);
    plain = 0;
    crowd_run(0, 4, hammer, NULL);
    CHECK_EQ(plain, 4L * rounds);
    CHECK_EQ(peek(&m.state_), 0);
}

/* ---- starvation ---- */

static atomic_int got;

static void lock_and_count(void *arg)
{
    weft_mutex_lock(&m);
    atomic_fetch_add(&got, 1);
    weft_mutex_unlock(&m);
    (void)arg;
}

static void wait_in_vain(void *arg)
{
    (void)arg;
    weft_mutex_lock(&m);
    CHECK_EQ(weft_go(lock_and_count, NULL), 0);
    CHECK_EQ(weft_go(lock_and_count, NULL), 0);
    until_queued(&m.state_, 2);
    weft_mutex_unlock(&m);
    weft_mutex_lock(&m); /* ahead of the one that was woken */
    CHECK_EQ(atomic_load(&got), 0);
    int64_t since = test_now();
    TEST_COMPUTE_UNTIL(test_now() - since > 2 * TEST_MS);
    TEST_UNTIL(peek(&m.state_) & STARVING); /* it runs, and comes too late */
    CHECK_EQ(queued(&m.state_), 2);
    CHECK_EQ(atomic_load(&got), 0);
    weft_mutex_unlock(&m);
    bool taken = weft_mutex_try_lock(&m);
    CHECK(!taken || atomic_load(&got) > 0);
    if (taken)
        weft_mutex_unlock(&m);
    TEST_UNTIL(atomic_load(&got) == 2);
    TEST_UNTIL(peek(&m.state_) == 0);
}

TEST(who_starves_is_handed_it)
{
    /* Goal: a waiter that was woken and came too late, a millisecond after it began to wait, gets the mutex from the
     * next unlock, which gives way to it; with the last of them starvation is over. Method: one processor, where a
     * goroutine that was woken runs when the other yields. */
    atomic_store(&got, 0);
    CHECK_EQ(test_run_procs(1, wait_in_vain, NULL), 0);
    CHECK_EQ(peek(&m.state_), 0);
}

static atomic_bool stop;

static void greedy(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        weft_mutex_lock(&m);
        weft_mutex_unlock(&m);
    }
}

static void polite(void *arg)
{
    int n = *(int *)arg;
    for (int i = 0; i < n; i++) {
        weft_mutex_lock(&m);
        weft_yield();
        weft_mutex_unlock(&m);
        weft_yield();
    }
    atomic_store(&stop, true);
}

static void greedy_and_polite(void *arg)
{
    struct outsider o;
    outsider_start(&o, greedy, NULL);
    polite(arg);
    outsider_join(&o);
}

TEST(greed_does_not_starve_others)
{
    /* Goal: who waits gets the mutex, however fast another takes it again. Method: a thread that does nothing else; the
     * watchdog. */
    int n = test_scale(200);
    atomic_store(&stop, false);
    CHECK_EQ(test_run(greedy_and_polite, &n), 0);
    CHECK_EQ(peek(&m.state_), 0);
}

/* ---- the end of a run ---- */

static struct outsider outside;

static void park_some(int n)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_go(lock_and_count, NULL), 0);
    until_queued(&m.state_, n);
}

static void leave_locked(void *arg)
{
    (void)arg;
    weft_mutex_lock(&m);
    park_some(3);
    outsider_start(&outside, lock_and_count, NULL);
    until_queued(&m.state_, 4);
    CHECK_EQ(weft_go(lock_and_count, NULL), 0);
    until_queued(&m.state_, 5);
}

static void leave_unlocked(void *arg)
{
    leave_locked(arg);
    weft_mutex_unlock(&m); /* wakes one that never runs again */
}

static void leave_starving(void *arg)
{
    leave_locked(arg);
    int64_t since = test_now();
    TEST_COMPUTE_UNTIL(test_now() - since > 2 * TEST_MS);
    weft_mutex_unlock(&m);
    weft_mutex_lock(&m);
    weft_yield();
}

TEST(waiters_of_an_ended_run_are_forgotten)
{
    /* Goal: goroutines that wait when their run ends are taken out of the queue, one that has been woken already
     * too; a foreign thread among them goes on waiting, and gets the mutex. Method: it is unlocked before
     * the end, or after it; and is starving at the end. */
    atomic_store(&got, 0);
    CHECK_EQ(test_run(leave_locked, NULL), 0);
    CHECK_EQ(queued(&m.state_), 1);
    weft_mutex_unlock(&m);
    outsider_join(&outside);
    CHECK_EQ(atomic_load(&got), 1);
    CHECK_EQ(peek(&m.state_), 0);

    atomic_store(&got, 0);
    CHECK_EQ(test_run_procs(1, leave_unlocked, NULL), 0);
    outsider_join(&outside);
    CHECK_EQ(peek(&m.state_), 0);

    CHECK_EQ(test_run_procs(1, leave_starving, NULL), 0);
    weft_mutex_unlock(&m);
    outsider_join(&outside);
    CHECK_EQ(peek(&m.state_), 0);
}

static void lock_often(void *arg)
{
    (void)arg;
    for (;;) {
        weft_mutex_lock(&m);
        if (!weft_self())
            atomic_fetch_add(&got, 1);
        weft_mutex_unlock(&m);
        if (!weft_self() && atomic_load(&stop))
            return;
        if (weft_self())
            weft_yield(); /* or main never runs */
    }
}

static void briefly(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(lock_often, NULL), 0);
    int seen = atomic_load(&got);
    TEST_UNTIL(atomic_load(&got) > seen);
    weft_mutex_lock(&m); /* so that none of those whom the end stops has it */
}

static void unlock(void)
{
    weft_mutex_unlock(&m);
}

TEST(runs_end_amid_waiters)
{
    /* Goal: the end of a run takes its goroutines out while foreign threads lock and unlock. Method: two threads
     * that do so over many runs; each run's main ends with the mutex, which is unlocked after the run. */
    void *args[2] = {NULL};
    outsiders_amid_runs(2, lock_often, args, briefly, unlock, &stop);
    CHECK_EQ(peek(&m.state_), 0);
}

/* ---- mutexes that vanish ---- */

enum { USERS = 3, OBJECTS = 64 };

struct object {
    weft_mutex m;
    int users;
};

static _Atomic(struct object *) objects[OBJECTS];

static void use_and_free(struct object *o)
{
    weft_mutex_lock(&o->m);
    bool last = --o->users == 0;
    weft_mutex_unlock(&o->m);
    if (last) {
        memset(o, 0xff, sizeof(*o)); /* whoever comes late dies of it, or waits for ever */
        free(o);
    }
}

static atomic_int turns[OBJECTS];

static void use_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < OBJECTS; i++) {
        atomic_fetch_add(&turns[i], 1); /* all at about the same time */
        for (int n = 0; atomic_load(&turns[i]) < USERS && n < 1000; n++)
            weft_yield();
        use_and_free(atomic_load(&objects[i]));
    }
}

TEST(the_last_user_frees_it)
{
    /* Goal: an unlock doesn't touch the mutex when another may have locked, unlocked and freed it. Method: objects
     * whose last user frees them; ASan, or a pattern that stops whoever comes late. */
    for (int round = 0; round < test_scale(100); round++) {
        for (int i = 0; i < OBJECTS; i++) {
            struct object *o = calloc(1, sizeof(*o));
            REQUIRE(o);
            o->users = USERS;
            atomic_store(&objects[i], o);
            atomic_store(&turns[i], 0);
        }
        crowd_run(USERS - 1, 1, use_all, NULL);
    }
}
