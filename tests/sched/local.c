/* SPDX-License-Identifier: Apache-2.0
 * local.c - goroutine-local storage: whose values they are, and when they are destroyed. */
#include "../test.h"

static weft_waitgroup group;
static atomic_int destroyed;
static atomic_uintptr_t destroyed_sum;

static void count(void *value)
{
    atomic_fetch_add(&destroyed, 1);
    atomic_fetch_add(&destroyed_sum, (uintptr_t)value);
}

static void *number(uintptr_t n)
{
    return (void *)n; /* NOLINT: values are opaque */
}

/* Start fn as a goroutine and wait until it has ended, destructors included. */
static void run_to_end(weft_fn fn, void *arg)
{
    int before = weft_num_goroutine();
    REQUIRE(weft_go(fn, arg) == 0);
    test_until_goroutines(before);
}

/* The same keys throughout: they live as long as the process. */
static weft_local *counted, *plain;

static void make_keys(void)
{
    if (!counted) {
        counted = weft_local_new(count);
        plain = weft_local_new(NULL);
    }
    REQUIRE(counted && plain && counted != plain);
    atomic_store(&destroyed, 0);
    atomic_store(&destroyed_sum, 0);
}

static void finds_none(void *arg)
{
    (void)arg;
    CHECK(!weft_local_get(counted));
    CHECK(!weft_local_get(plain));
    CHECK_EQ(weft_local_set(plain, NULL), 0);
    CHECK(!weft_local_get(plain));
    CHECK_EQ(weft_local_set(counted, number(7)), 0);
    CHECK_EQ(weft_local_set(plain, number(8)), 0);
    CHECK_PTR_EQ(weft_local_get(counted), number(7));
    CHECK_EQ(weft_local_set(counted, number(9)), 0);
    CHECK_PTR_EQ(weft_local_get(counted), number(9));
    CHECK_PTR_EQ(weft_local_get(plain), number(8));
}

static void one_after_another(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) /* on the same descriptors */
        run_to_end(finds_none, NULL);
    finds_none(NULL);
}

TEST(each_goroutine_starts_with_no_values)
{
    /* Goal: values are the goroutine's, gone with it, and the last one set counts and is destroyed. */
    make_keys();
    CHECK_EQ(test_run(one_after_another, NULL), 0);
    CHECK_EQ(atomic_load(&destroyed), 51);
    CHECK_EQ(atomic_load(&destroyed_sum), 51 * 9);
    CHECK(!weft_local_get(counted));
    CHECK_EQ(test_run(one_after_another, NULL), 0); /* keys outlive runs */
    CHECK_EQ(atomic_load(&destroyed), 102);
}

TEST(a_null_key_is_refused)
{
    CHECK_EQ(weft_local_set(NULL, &group), -EINVAL);
    CHECK(!weft_local_get(NULL));
}

enum { KEYS = 200, GOROUTINES = 100 };
static weft_local *many[KEYS];

/* Sets its own choice of keys, and finds them and no others whatever processor it is on by then. */
static void juggle(void *arg)
{
    uint64_t seed = (uintptr_t)arg;
    uintptr_t mine[KEYS] = {0};
    for (int i = test_scale(2000); i > 0; i--) {
        uint64_t random = test_random(&seed);
        size_t k = random % (i % 3 ? 5 : KEYS) * 37 % KEYS;
        uintptr_t value = random >> 60 ? (uintptr_t)(random | 1) : 0;
        CHECK_PTR_EQ(weft_local_get(many[k]), number(mine[k]));
        CHECK_EQ(weft_local_set(many[k], number(value)), 0);
        mine[k] = value;
        if (random >> 32 & 1)
            weft_yield();
    }
    for (size_t k = 0; k < KEYS; k++)
        CHECK_PTR_EQ(weft_local_get(many[k]), number(mine[k]));
    weft_waitgroup_done(&group);
}

static void *juggle_on_thread(void *arg)
{
    juggle(arg);
    return NULL;
}

static void juggle_all(void *arg)
{
    pthread_t thread;
    (void)arg;
    weft_waitgroup_add(&group, GOROUTINES + 1);
    REQUIRE(pthread_create(&thread, NULL, juggle_on_thread, number(999)) == 0);
    for (uintptr_t i = 1; i <= GOROUTINES; i++)
        REQUIRE(weft_go(juggle, number(i)) == 0);
    weft_waitgroup_wait(&group);
    pthread_join(thread, NULL);
}

TEST(values_go_with_their_goroutine)
{
    /* Goal: any number of keys, each goroutine with its own values, wherever it runs on. Method: many
     * goroutines and a foreign thread set and get at random while they yield and are stolen. */
    for (int i = 0; i < KEYS; i++)
        REQUIRE((many[i] = weft_local_new(NULL)) != NULL);
    CHECK_EQ(test_run(juggle_all, NULL), 0);
}

/* ---- destruction ---- */

static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static char trace[256];

static void note(void *what)
{
    pthread_mutex_lock(&trace_lock);
    strncat(trace, what, sizeof trace - strlen(trace) - 1);
    pthread_mutex_unlock(&trace_lock);
}

static weft_local *noting;
static _Atomic(uint64_t) noting_self;

static void destroy_noting(void *value)
{
    note(value);
    CHECK_EQ(weft_self(), atomic_load(&noting_self));
    CHECK(!weft_local_get(noting));
    CHECK_PTR_EQ(weft_local_get(plain), number(5));
}

static void notes_and_ends(void *how)
{
    atomic_store(&noting_self, weft_self());
    WEFT_DEFER(note, (void *)"deferred ");
    weft_local_set(plain, number(5));
    weft_local_set(noting, (void *)"value ");
    note((void *)"body ");
    if (how)
        weft_goexit();
}

static void run_notes(void *arg)
{
    run_to_end(notes_and_ends, arg);
    note((void *)"other ");
    notes_and_ends(NULL);
}

TEST(destroy_runs_on_the_goroutine_after_deferred_calls)
{
    /* Goal: also when it ends by weft_goexit, and for main before weft_run returns; other keys still
     * have their values. */
    make_keys();
    noting = weft_local_new(destroy_noting);
    for (int goexit = 0; goexit < 2; goexit++) {
        trace[0] = '\0';
        CHECK_EQ(test_run(run_notes, goexit ? &group : NULL), 0);
        CHECK_STR_EQ(trace, "body deferred value other body deferred value ");
    }
}

static void sets_null_again(void *arg)
{
    (void)arg;
    weft_local_set(counted, number(3));
    weft_local_set(plain, number(4));
    weft_local_set(counted, NULL);
}

TEST(null_is_not_destroyed)
{
    make_keys();
    CHECK_EQ(test_run(sets_null_again, NULL), 0);
    CHECK_EQ(atomic_load(&destroyed), 0);
}

static weft_waitgroup gate;
static weft_local *parking;

static void destroy_parking(void *value)
{
    CHECK_PTR_EQ(value, number(11));
    weft_waitgroup_wait(&gate);
    weft_sleep(1000);
    weft_yield();
    count(value);
}

static void sets_parking(void *arg)
{
    (void)arg;
    weft_local_set(parking, number(11));
    weft_local_set(counted, number(1));
}

static void open_later(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&gate, 1);
    for (int i = 0; i < 20; i++)
        REQUIRE(weft_go(sets_parking, NULL) == 0);
    test_until_parked(20);
    CHECK_LE(atomic_load(&destroyed), 20);
    weft_waitgroup_done(&gate);
    test_until_goroutines(1);
}

TEST(destroy_may_park)
{
    /* Goal: a destructor waits like any code of the goroutine, which is alive meanwhile. */
    make_keys();
    parking = weft_local_new(destroy_parking);
    CHECK_EQ(test_run(open_later, NULL), 0);
    CHECK_EQ(atomic_load(&destroyed), 40);
}

static weft_local *again;
static atomic_int again_calls;

static void destroy_again(void *value)
{
    atomic_fetch_add(&again_calls, 1);
    weft_local_set(again, value);
}

static void sets_again(void *arg)
{
    weft_local_set(again, arg);
    weft_local_set(counted, number(2));
}

static void destroy_with_new_key(void *value)
{
    atomic_fetch_add(&again_calls, 1);
    weft_local *fresh = weft_local_new(destroy_with_new_key);
    CHECK_EQ(weft_local_set(fresh, value), 0);
}

static void sets_new_key(void *arg)
{
    weft_local_set(weft_local_new(destroy_with_new_key), arg);
    weft_local_set(counted, number(2));
}

static void run_then_nothing(void *fn)
{
    run_to_end(*(weft_fn *)fn, &group);
    run_to_end(finds_none, NULL);
}

TEST(rounds_of_destruction_are_bounded)
{
    /* Goal: a destructor that sets its key again is called in four rounds and no more; nor does one that
     * sets ever new keys go on for ever. Others are destroyed all the same, once. */
    static const weft_fn bodies[] = {sets_again, sets_new_key};
    again = weft_local_new(destroy_again);
    for (size_t i = 0; i < TEST_COUNT_OF(bodies); i++) {
        make_keys();
        atomic_store(&again_calls, 0);
        weft_fn fn = bodies[i];
        CHECK_EQ(test_run(run_then_nothing, &fn), 0);
        CHECK_EQ(atomic_load(&again_calls), 4);
        CHECK_EQ(atomic_load(&destroyed_sum), 2 + 9);
    }
}

enum { FIRST = 20 };
static weft_local *growing[2 * FIRST];
static int growing_destroyed[2 * FIRST];

/* Each of the first keys' destructors sets one of the second. */
static void destroy_growing(void *value)
{
    uintptr_t n = (uintptr_t)value - 1;
    growing_destroyed[n]++;
    if (n < FIRST)
        weft_local_set(growing[FIRST + n], number(FIRST + n + 1));
}

static void sets_growing(void *arg)
{
    (void)arg;
    for (uintptr_t n = 0; n < FIRST; n++)
        weft_local_set(growing[n], number(n + 1));
}

TEST(all_values_are_destroyed_while_more_are_set)
{
    /* Goal: every value is destroyed once, though the table is remade meanwhile. */
    for (size_t n = 0; n < TEST_COUNT_OF(growing); n++)
        growing[n] = weft_local_new(destroy_growing);
    CHECK_EQ(test_run(sets_growing, NULL), 0);
    for (size_t n = 0; n < TEST_COUNT_OF(growing); n++)
        CHECK_EQ(growing_destroyed[n], 1);
}

static weft_local *leaving[6];

static void destroy_leaving(void *value)
{
    count(value);
    weft_goexit();
}

static void sets_leaving(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < TEST_COUNT_OF(leaving); i++)
        weft_local_set(leaving[i], number(1));
}

static void run_leaving(void *arg)
{
    run_to_end(sets_leaving, arg);
}

TEST(goexit_in_destroy_ends_only_that)
{
    make_keys();
    for (size_t i = 0; i < TEST_COUNT_OF(leaving); i++)
        leaving[i] = weft_local_new(destroy_leaving);
    CHECK_EQ(test_run(run_leaving, NULL), 0);
    CHECK_EQ(atomic_load(&destroyed), TEST_COUNT_OF(leaving));
}

static void parks_for_ever(void *arg)
{
    (void)arg;
    weft_local_set(counted, number(1));
    weft_local_set(plain, number(1));
    weft_sleep_until(WEFT_FOREVER);
}

static void leave_parked(void *arg)
{
    int n = *(int *)arg;
    for (int i = 0; i < n; i++)
        REQUIRE(weft_go(parks_for_ever, NULL) == 0);
    test_until_parked((uint64_t)n);
}

TEST(abandoned_goroutines_destroy_nothing)
{
    /* Goal: what parks when main returns isn't run again, and its descriptor is used afresh. */
    int n = 10;
    make_keys();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(test_run(leave_parked, &n), 0);
    CHECK_EQ(atomic_load(&destroyed), 0);
    CHECK_EQ(test_run(one_after_another, NULL), 0);
}

TEST(abandoned_values_leave_no_memory)
{
    int n = test_scale_goroutines(2000);
    long rss = 0;
    make_keys();
    for (int round = 0; round < 10; round++) {
        CHECK_EQ(test_run(leave_parked, &n), 0);
        if (round == 2)
            rss = test_rss_kib();
    }
    if (!test_instrumented())
        CHECK_LT(test_rss_kib() - rss, 1024);
}

static void destroy_by_panic(void *value)
{
    weft_panic("in destroy: %s", (const char *)value);
}

static void sets_panicking(void *arg)
{
    (void)arg;
    weft_local_set(weft_local_new(destroy_by_panic), (void *)"bad");
}

CHILD(panics)
{
    test_run(sets_panicking, NULL);
}

TEST(a_panic_in_destroy_ends_the_process)
{
    static struct test_result result;
    test_spawn("panics", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "panic: in destroy: bad\n");
}

/* ---- threads ---- */

static void *thread_with_values(void *arg)
{
    finds_none(NULL);
    weft_local_set(again, &group);
    return arg;
}

static void from_thread(void *arg)
{
    pthread_t thread;
    (void)arg;
    REQUIRE(pthread_create(&thread, NULL, thread_with_values, NULL) == 0);
    pthread_join(thread, NULL);
}

static void among_goroutines(void *arg)
{
    CHECK_EQ(weft_local_set(counted, number(30)), 0);
    from_thread(arg);
    CHECK_PTR_EQ(weft_local_get(counted), number(30));
    CHECK_EQ(weft_local_set(counted, NULL), 0);
}

TEST(a_threads_values_are_destroyed_when_it_exits)
{
    /* Goal: a foreign thread has values of its own, with a run in progress or without, destroyed at
     * its exit in at most four rounds; a thread that takes over its record finds none. */
    again = weft_local_new(destroy_again);
    for (int i = 0; i < 3; i++) {
        make_keys();
        atomic_store(&again_calls, 0);
        from_thread(NULL);
        CHECK_EQ(atomic_load(&destroyed_sum), 9);
        CHECK_EQ(atomic_load(&again_calls), 4);
        CHECK_EQ(test_run(among_goroutines, NULL), 0);
        CHECK_EQ(atomic_load(&destroyed_sum), 18);
        CHECK_EQ(atomic_load(&again_calls), 8);
    }
}

static void *in_blocking(void *arg)
{
    CHECK(!weft_local_get(counted));
    CHECK_EQ(weft_local_set(counted, number(40)), 0);
    CHECK_PTR_EQ(weft_local_get(counted), number(40));
    return arg;
}

static void around_blocking(void *arg)
{
    CHECK_EQ(weft_local_set(counted, number(2)), 0);
    weft_blocking(in_blocking, arg);
    CHECK_PTR_EQ(weft_local_get(counted), number(2));
}

TEST(in_a_blocking_section_the_thread_has_its_own)
{
    /* Goal: there the goroutine's values are out of reach; the thread's are destroyed with it, at the
     * latest when the run ends. */
    make_keys();
    CHECK_EQ(test_run(around_blocking, NULL), 0);
    CHECK_EQ(atomic_load(&destroyed), 2);
    CHECK_EQ(atomic_load(&destroyed_sum), 42);
}
