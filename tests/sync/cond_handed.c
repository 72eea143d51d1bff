/* SPDX-License-Identifier: Apache-2.0
 * cond_handed.c - a wait on a cond leaves its mutex to the goroutine that runs next, if that one was woken to lock it: only
 * then, and never past others who wait for it. On one processor it is known who runs next. */
#include "crew.h"

static weft_mutex mutex, other_mutex;
static weft_cond cond, other_cond;
static weft_cond turned[2];
static atomic_bool over;
static bool timed;
static int turn; /* under the mutex */

static void reset(void)
{
    mutex = other_mutex = (weft_mutex){0};
    weft_cond_init(&cond, &mutex);
    weft_cond_init(&other_cond, &other_mutex);
    for (int i = 0; i < 2; i++)
        weft_cond_init(&turned[i], &mutex);
    atomic_store(&over, false);
    turn = 0;
    log_clear();
}

static void wait_on(weft_cond *c)
{
    if (timed)
        CHECK_EQ(weft_cond_wait_until(c, weft_now() + WEFT_HOUR), 0);
    else
        weft_cond_wait(c);
}

static void in_both_ways(void (*fn)(void *arg))
{
    for (int i = 0; i < 2; i++) {
        timed = i;
        CHECK_EQ(test_run_procs(1, fn, NULL), 0);
        CHECK_EQ(test_run(fn, NULL), 0);
    }
}

/* ---- to whom ---- */

static void has_it_when_woken(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    wait_on(&cond);
    CHECK(!weft_mutex_try_lock(&mutex));
    log_event('a');
    weft_cond_signal(&cond);
    weft_mutex_unlock(&mutex);
}

static void hand_over(void *arg)
{
    (void)arg;
    reset();
    crew_park(1, has_it_when_woken, NULL);
    weft_mutex_lock(&mutex);
    weft_cond_signal(&cond);
    wait_on(&cond);
    CHECK(!weft_mutex_try_lock(&mutex));
    CHECK_LOG("a");
    weft_mutex_unlock(&mutex);
    test_until_goroutines(1);
    CHECK(weft_mutex_try_lock(&mutex));
}

TEST(who_is_woken_has_the_mutex)
{
    /* Goal: who was signalled has the mutex when the signaller waits; so has that one afterwards; then nobody. */
    in_both_ways(hand_over);
}

static void has_only_his_own(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    wait_on(&cond);
    CHECK(!weft_mutex_try_lock(&mutex));
    weft_mutex_lock(&other_mutex);
    weft_cond_signal(&other_cond);
    weft_mutex_unlock(&other_mutex);
    weft_mutex_unlock(&mutex);
}

static void wait_with_another(void *arg)
{
    (void)arg;
    reset();
    crew_park(1, has_only_his_own, NULL);
    weft_mutex_lock(&other_mutex);
    weft_cond_signal(&cond);
    wait_on(&other_cond);
    weft_mutex_unlock(&other_mutex);
    test_until_goroutines(1);
    CHECK(weft_mutex_try_lock(&mutex));
    CHECK(weft_mutex_try_lock(&other_mutex));
}

TEST(nobody_is_given_another_mutex)
{
    /* Goal: a waiter who was woken for one mutex isn't given the one that a wait lets go of: it is
     * free, and he locks his own. */
    in_both_ways(wait_with_another);
}

static void has_had_his_wait(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    wait_on(&cond);
    weft_mutex_unlock(&mutex);
    while (!atomic_load(&over)) /* runs next whenever main waits */
        weft_yield();
    weft_mutex_lock(&mutex);
    weft_cond_signal(&cond);
    weft_mutex_unlock(&mutex);
}

static void go_on_later(void *arg)
{
    (void)arg;
    reset();
    crew_park(1, has_had_his_wait, NULL);
    weft_cond_signal(&cond);
    for (int i = 0; i < 10; i++)
        weft_yield();
    weft_mutex_lock(&mutex);
    atomic_store(&over, true);
    wait_on(&cond);
    weft_mutex_unlock(&mutex);
    test_until_goroutines(1);
    CHECK(weft_mutex_try_lock(&mutex));
}

TEST(who_has_come_back_from_his_wait_is_given_nothing)
{
    /* Goal: who has waited once, and now only runs next, finds the mutex unlocked: else he waits for himself. */
    in_both_ways(go_on_later);
}

/* ---- past whom ---- */

/* Never unlocks it but by waiting. */
static void take_turns(int index)
{
    weft_mutex_lock(&mutex);
    while (!atomic_load(&over)) {
        while (turn != index && !atomic_load(&over))
            wait_on(&turned[index]);
        CHECK(!weft_mutex_try_lock(&mutex));
        turn = !index;
        weft_cond_signal(&turned[!index]);
    }
    weft_cond_signal(&turned[!index]); /* it may have been over before a first turn */
    weft_mutex_unlock(&mutex);
}

static void third(void)
{
    for (int i = 0; i < 5; i++) {
        weft_mutex_lock(&mutex);
        CHECK(!weft_mutex_try_lock(&mutex));
        weft_mutex_unlock(&mutex);
        weft_yield();
    }
    atomic_store(&over, true);
}

static void be_one_of_three(int index)
{
    if (index < 2)
        take_turns(index);
    else
        third();
}

static void three(void *threads)
{
    struct crew crew;
    int n = (int)(intptr_t)threads;
    reset();
    crew_start(&crew, 3 - n, n, be_one_of_three);
    crew_join(&crew);
    CHECK(weft_mutex_try_lock(&mutex));
}

TEST(it_is_not_handed_past_who_waits_for_it)
{
    /* Goal: two who hand the mutex to each other let a third have it who waits for it, a goroutine or a thread. */
    for (int i = 0; i < 4; i++) {
        timed = i / 2;
        CHECK_EQ(test_run_procs(1, three, (void *)(intptr_t)(i % 2)), 0);
        CHECK_EQ(test_run(three, (void *)(intptr_t)(i % 2)), 0);
    }
}
