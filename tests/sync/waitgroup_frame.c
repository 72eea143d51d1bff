/* SPDX-License-Identifier: Apache-2.0
 * waitgroup_frame.c - a WaitGroup may vanish as soon as wait has returned: the done that brought it to
 * zero doesn't touch it any more.
 *
 * Each group is a block of its own. After the wait it is filled with a pattern and kept a while in a
 * ring, so that a late write is found even without a sanitizer; then it is freed, so that ASan finds a
 * late read. */
#include "../test.h"

enum { RING = 64, PATTERN = 0xA5 };

struct ring {
    weft_waitgroup *slots[RING];
    unsigned next;
};

static void check_untouched(weft_waitgroup *wg)
{
    const unsigned char *bytes = (const unsigned char *)wg;
    for (size_t i = 0; i < sizeof(*wg); i++)
        if (bytes[i] != PATTERN) {
            FAIL("byte %zu of a dead WaitGroup was written: %02x", i, bytes[i]);
            break;
        }
    free(wg);
}

/* Under ASan freed at once, else kept to be looked at later. */
static void bury(struct ring *ring, weft_waitgroup *wg)
{
    if (TEST_ASAN || test_valgrind()) {
        free(wg);
        return;
    }
    memset(wg, PATTERN, sizeof(*wg));
    weft_waitgroup **slot = &ring->slots[ring->next++ % RING];
    if (*slot)
        check_untouched(*slot);
    *slot = wg;
}

static void check_ring(struct ring *ring)
{
    for (int i = 0; i < RING; i++)
        if (ring->slots[i])
            check_untouched(ring->slots[i]);
}

static void done(void *arg)
{
    weft_waitgroup_done(arg);
}

static void yield_and_done(void *arg)
{
    weft_yield();
    weft_waitgroup_done(arg);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int rounds(void)
{
    return test_scale(20000);
}

/* ---- one waiter ---- */

static void one_waiter(void *arg)
{
    struct ring ring = {0};
    (void)arg;
    for (int i = 0; i < rounds(); i++) {
        weft_waitgroup *wg = calloc(1, sizeof(*wg));
        if (i % 3 == 2) {
            CHECK_EQ(weft_waitgroup_go(wg, nothing, NULL), 0);
        } else {
            weft_waitgroup_add(wg, 2);
            CHECK_EQ(weft_go(i % 3 ? done : yield_and_done, wg), 0);
            CHECK_EQ(weft_go(done, wg), 0);
        }
        if (i % 2)
            weft_waitgroup_wait(wg);
        else
            CHECK_EQ(weft_waitgroup_wait_until(wg, weft_now() + WEFT_HOUR), 0);
        bury(&ring, wg);
    }
    check_ring(&ring);
}

static weft_waitgroup all;

static void one_waiter_of_many(void *arg)
{
    one_waiter(arg);
    weft_waitgroup_done(&all);
}

static void many_of_one_waiter(void *arg)
{
    (void)arg;
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(one_waiter_of_many, NULL), 0);
    weft_waitgroup_wait(&all);
}

TEST(the_waiter_frees_its_group)
{
    /* Goal: wait returned, so nobody touches the group. Method: main alone, then 4 goroutines. */
    CHECK_EQ(test_run(one_waiter, NULL), 0);
    CHECK_EQ(test_run(many_of_one_waiter, NULL), 0);
}

static TEST_NOINLINE void on_a_frame(int i)
{
    weft_waitgroup wg = {0};
    weft_waitgroup_add(&wg, 1);
    CHECK_EQ(weft_go(done, &wg), 0);
    if (i % 2)
        weft_yield();
    weft_waitgroup_wait(&wg);
}

/* Stands where the group was. */
static TEST_NOINLINE int over_the_frame(void)
{
    volatile unsigned char bytes[512];
    int wrong = 0;
    memset((unsigned char *)bytes, PATTERN, sizeof(bytes));
    for (volatile int spin = 0; spin < 20; spin++)
        ;
    for (size_t i = 0; i < sizeof(bytes); i++)
        wrong += bytes[i] != PATTERN;
    return wrong;
}

static void frames(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds(); i++) {
        on_a_frame(i);
        CHECK_EQ(over_the_frame(), 0);
    }
}

TEST(a_group_on_a_frame)
{
    /* Goal: the frame of a group may be used again at once. Method: the next call fills the same
     * stack, looks at it after a moment. */
    CHECK_EQ(test_run(frames, NULL), 0);
}

/* ---- a waiter that gave up comes back, finds zero, frees ---- */

static void spin_and_done(void *arg)
{
    for (volatile int spin = (int)(weft_now() % 512); spin > 0; spin--)
        ;
    weft_waitgroup_done(arg);
}

static void impatient_waiter(void *arg)
{
    struct ring ring = {0};
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < 5 * rounds(); i++) {
        weft_waitgroup *wg = calloc(1, sizeof(*wg));
        weft_waitgroup_add(wg, 2);
        CHECK_EQ(weft_go(spin_and_done, wg), 0);
        CHECK_EQ(weft_go(i % 2 ? done : spin_and_done, wg), 0);
        while (weft_waitgroup_wait_until(wg, weft_now() + (int64_t)(test_random(&seed) % 2048)) !=
               0)
            ;
        bury(&ring, wg);
    }
    check_ring(&ring);
    weft_waitgroup_done(&all);
}

static void impatient_waiters(void *arg)
{
    (void)arg;
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, 3);
    for (intptr_t i = 1; i <= 3; i++)
        CHECK_EQ(weft_go(impatient_waiter, (void *)i), 0);
    weft_waitgroup_wait(&all);
}

TEST(a_waiter_that_gave_up_may_free_it_later)
{
    /* Goal: a waiter times out while the last done releases it, asks again, finds zero, and frees the
     * group: the done, which saw that somebody waited, must not look for him in it any more. Method:
     * deadlines of 0 to 2 us about the time of two dones; wait again until the answer is 0. */
    CHECK_EQ(test_run(impatient_waiters, NULL), 0);
}

/* ---- several waiters, the last frees ---- */

struct shared {
    weft_waitgroup wg;
    atomic_int waiters;
    weft_waitgroup *all;
};

static void wait_and_leave(struct shared *s)
{
    weft_waitgroup *outer = s->all;
    weft_waitgroup_wait(&s->wg);
    if (atomic_fetch_sub(&s->waiters, 1) == 1) {
        memset(&s->wg, PATTERN, sizeof(s->wg));
        free(s);
    }
    weft_waitgroup_done(outer);
}

static void shared_waiter(void *arg)
{
    wait_and_leave(arg);
}

static void *shared_waiter_thread(void *arg)
{
    wait_and_leave(arg);
    return NULL;
}

static void several_waiters(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds() / 4; i++) {
        weft_waitgroup outer = {0};
        struct shared *s = calloc(1, sizeof(*s));
        s->all = &outer;
        atomic_init(&s->waiters, 4);
        weft_waitgroup_add(&s->wg, 1);
        weft_waitgroup_add(&outer, 4);
        for (int k = 0; k < 4; k++)
            CHECK_EQ(weft_go(shared_waiter, s), 0);
        CHECK_EQ(weft_go(i % 2 ? done : yield_and_done, &s->wg), 0);
        weft_waitgroup_wait(&outer);
    }
}

TEST(the_last_of_several_waiters_frees)
{
    /* Goal: the done that releases several waiters reads what it needs before it lets the first go.
     * Method: four waiters, the last one frees. */
    CHECK_EQ(test_run(several_waiters, NULL), 0);
}

/* ---- foreign threads ---- */

static void *foreign_rounds(void *arg)
{
    struct ring ring = {0};
    (void)arg;
    for (int i = 0; i < rounds() / 10; i++) {
        weft_waitgroup *wg = calloc(1, sizeof(*wg));
        weft_waitgroup_add(wg, 1);
        CHECK_EQ(weft_go(i % 2 ? done : yield_and_done, wg), 0);
        if (i % 4 < 2)
            weft_waitgroup_wait(wg);
        else
            CHECK_EQ(weft_waitgroup_wait_until(wg, weft_now() + WEFT_HOUR), 0);
        bury(&ring, wg);
    }
    check_ring(&ring);
    return NULL;
}

static void foreign_waiter(void *arg)
{
    weft_blocking(foreign_rounds, arg);
}

TEST(a_foreign_waiter_frees_its_group)
{
    /* Goal: the same with a futex in place of a goroutine. Method: rounds in a blocking section. */
    CHECK_EQ(test_run(foreign_waiter, NULL), 0);
}

static atomic_uintptr_t to_finish;
static atomic_bool finishing;

static void *finisher(void *arg)
{
    (void)arg;
    while (atomic_load(&finishing)) {
        uintptr_t wg = atomic_exchange(&to_finish, 0);
        if (wg)
            weft_waitgroup_done((weft_waitgroup *)wg);
        else
            sched_yield();
    }
    return NULL;
}

static void foreign_done(void *arg)
{
    struct ring ring = {0};
    (void)arg;
    for (int i = 0; i < rounds() / 10; i++) {
        weft_waitgroup *wg = calloc(1, sizeof(*wg));
        weft_waitgroup_add(wg, 1);
        atomic_store(&to_finish, (uintptr_t)wg);
        if (i % 3 == 0)
            sched_yield();
        weft_waitgroup_wait(wg);
        bury(&ring, wg);
    }
    check_ring(&ring);
}

TEST(a_foreign_done_does_not_touch_it_again)
{
    /* Goal: the same with done on a foreign thread. Method: a pthread that finishes what it finds. */
    pthread_t thread;
    atomic_store(&finishing, true);
    REQUIRE(pthread_create(&thread, NULL, finisher, NULL) == 0);
    CHECK_EQ(test_run(foreign_done, NULL), 0);
    atomic_store(&finishing, false);
    pthread_join(thread, NULL);
}

TEST(threads_alone)
{
    /* Goal: the same among threads without a run. Method: one finishes, one waits and frees; then
     * several waiting threads of which the last frees. */
    pthread_t thread, waiters[3];
    struct ring ring = {0};
    atomic_store(&finishing, true);
    REQUIRE(pthread_create(&thread, NULL, finisher, NULL) == 0);
    for (int i = 0; i < rounds() / 10; i++) {
        weft_waitgroup *wg = calloc(1, sizeof(*wg));
        weft_waitgroup_add(wg, 1);
        atomic_store(&to_finish, (uintptr_t)wg);
        if (i % 2)
            weft_waitgroup_wait(wg);
        else
            CHECK_EQ(weft_waitgroup_wait_until(wg, weft_now() + WEFT_HOUR), 0);
        bury(&ring, wg);
    }
    check_ring(&ring);
    for (int i = 0; i < test_scale(300); i++) {
        weft_waitgroup outer = {0};
        struct shared *s = calloc(1, sizeof(*s));
        s->all = &outer;
        atomic_init(&s->waiters, 3);
        weft_waitgroup_add(&s->wg, 1);
        weft_waitgroup_add(&outer, 3);
        for (int k = 0; k < 3; k++)
            REQUIRE(pthread_create(&waiters[k], NULL, shared_waiter_thread, s) == 0);
        atomic_store(&to_finish, (uintptr_t)&s->wg);
        weft_waitgroup_wait(&outer);
        for (int k = 0; k < 3; k++)
            pthread_join(waiters[k], NULL);
    }
    atomic_store(&finishing, false);
    pthread_join(thread, NULL);
}
