/* SPDX-License-Identifier: Apache-2.0
 * once_use.c - weft_once: one call, that everybody waits for, in whatever way it ends. */
#include "crew.h"

static weft_once once;
static atomic_int calls, returned;
static int written; /* plain: TSan looks for the edge from f to each do (HB-06) */
static atomic_bool go_on;

static void reset(void)
{
    once = (weft_once){0};
    atomic_store(&calls, 0);
    atomic_store(&returned, 0);
    atomic_store(&go_on, false);
    written = 0;
}

static void count_call(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
}

/* ---- one call ---- */

static void write_late(void *arg)
{
    atomic_fetch_add(&calls, 1);
    for (intptr_t i = (intptr_t)arg; i > 0; i--)
        weft_yield();
    written++;
}

static void do_and_look(int index)
{
    weft_once_do(&once, write_late, (void *)(intptr_t)(index % 4));
    if (written != 1)
        FAIL("do returned, and %d is written", written);
    CHECK(weft_once_done(&once));
}

static void call_once(void *arg)
{
    const struct crew_size *size = arg;
    int n = size->threads ? test_scale(100) : test_scale(1000);
    for (int i = 0; i < n; i++) {
        reset();
        crew_run(size->goroutines, size->threads, do_and_look);
        CHECK_EQ(atomic_load(&calls), 1);
    }
}

TEST(one_call_that_all_wait_for)
{
    /* Goal: of many who call do one runs the function, and none returns before its end (ON-01); what it wrote is seen (ON-07).
     * Method: crowds on a new once each time. */
    static struct crew_size sizes[] = {{2, 0}, {20, 0}, {4, 2}, {0, 3}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(call_once, &sizes[i]), 0);
    call_once(&sizes[3]);
}

static void alone(void)
{
    weft_once mine = {0};
    int other = 0;
    reset();
    CHECK(!weft_once_done(&mine));
    weft_once_do(&mine, count_call, NULL);
    CHECK(weft_once_done(&mine));
    weft_once_do(&mine, count_call, NULL);
    weft_once_do(&mine, write_late, &other);
    CHECK_EQ(atomic_load(&calls), 1);
    CHECK_EQ(written, 0);
}

static void alone_in_run(void *arg)
{
    (void)arg;
    alone();
}

TEST(another_function_is_not_called_either)
{
    /* Goal: a once counts calls of do, whatever their functions. Method: two functions on one, in and without a run. */
    alone();
    CHECK_EQ(test_run(alone_in_run, NULL), 0);
}

/* ---- while it runs ---- */

static void wait_for_leave(void *arg)
{
    (void)arg;
    CHECK(!weft_once_done(&once));
    atomic_fetch_add(&calls, 1);
    TEST_UNTIL(atomic_load(&go_on));
    CHECK(!weft_once_done(&once));
}

static void do_and_count(void *arg)
{
    (void)arg;
    weft_once_do(&once, wait_for_leave, NULL);
    CHECK(atomic_load(&go_on));
    CHECK(weft_once_done(&once));
    atomic_fetch_add(&returned, 1);
}

static void *do_on_thread(void *arg)
{
    do_and_count(arg);
    return NULL;
}

/* Runs the function on a foreign thread if arg is set, else in a goroutine. */
static void wait_while_it_runs(void *on_thread)
{
    pthread_t thread;
    reset();
    if (on_thread)
        REQUIRE(pthread_create(&thread, NULL, do_on_thread, NULL) == 0);
    else
        CHECK_EQ(weft_go(do_and_count, NULL), 0);
    TEST_UNTIL(atomic_load(&calls) == 1);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(do_and_count, NULL), 0);
    test_until_parked(10);
    CHECK_EQ(atomic_load(&returned), 0);
    CHECK(!weft_once_done(&once));
    atomic_store(&go_on, true);
    TEST_UNTIL(atomic_load(&returned) == 11);
    CHECK_EQ(atomic_load(&calls), 1);
    if (on_thread)
        pthread_join(thread, NULL);
}

TEST(others_park_while_it_runs)
{
    /* Goal: who calls do while the function runs parks, and its processor serves others. Method: 10 wait for one that
     * yields, or that a foreign thread runs. */
    CHECK_EQ(test_run(wait_while_it_runs, NULL), 0);
    CHECK_EQ(test_run(wait_while_it_runs, &once), 0);
}

/* ---- ends of another kind ---- */

static void exit_early(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
    TEST_UNTIL(atomic_load(&go_on));
    weft_goexit();
}

static void do_fn(void *fn)
{
    weft_once_do(&once, *(weft_fn *)fn, NULL);
}

static void note_exit(void *arg)
{
    (void)arg;
    atomic_fetch_add(&returned, 1);
}

static void do_and_exit(void *fn)
{
    WEFT_DEFER(note_exit, NULL);
    do_fn(fn);
    FAIL("weft_goexit went no further than do");
}

static void do_in_peace(void *fn)
{
    do_fn(fn);
    CHECK(weft_once_done(&once));
    atomic_fetch_add(&returned, 1);
}

static void *wait_on_thread(void *arg)
{
    do_in_peace(arg);
    return NULL;
}

/* Ends within the function, while five goroutines and a thread wait. */
static void end_in_some_way(weft_fn first, weft_fn *fn)
{
    pthread_t thread;
    reset();
    CHECK_EQ(weft_go(first, fn), 0);
    TEST_UNTIL(atomic_load(&calls) == 1);
    REQUIRE(pthread_create(&thread, NULL, wait_on_thread, fn) == 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_go(do_in_peace, fn), 0);
    test_until_parked(5);
    CHECK_EQ(atomic_load(&returned), 0);
    atomic_store(&go_on, true);
    TEST_UNTIL(atomic_load(&returned) == 7);
    pthread_join(thread, NULL);
    do_in_peace(fn);
    CHECK_EQ(atomic_load(&calls), 1);
}

static void end_by_goexit(void *arg)
{
    static weft_fn fn = exit_early;
    (void)arg;
    end_in_some_way(do_and_exit, &fn);
}

TEST(a_goexit_counts_as_done)
{
    /* Goal: when a goroutine ends within the function the others' do returns, later ones do nothing (ON-04). Method: five
     * goroutines and a thread wait meanwhile. */
    CHECK_EQ(test_run(end_by_goexit, NULL), 0);
}

static void end_badly(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
    TEST_UNTIL(atomic_load(&go_on));
    weft_panic("not today");
}

/* A deferred call of the frame around do: the once is done by then, and the others get on. */
static void look_at_the_rest(void *fn)
{
    CHECK(weft_once_done(&once));
    do_in_peace(fn);
    TEST_UNTIL(atomic_load(&returned) >= 7);
    CHECK_EQ(atomic_load(&calls), 1);
    if (atomic_load(&test_failures_) == 0)
        printf("done all the same\n"), fflush(stdout);
}

static void do_and_panic(void *fn)
{
    WEFT_DEFER(look_at_the_rest, fn);
    do_fn(fn);
    FAIL("a panic went no further than do");
}

static void end_by_panic(void *arg)
{
    static weft_fn fn = end_badly;
    (void)arg;
    end_in_some_way(do_and_panic, &fn);
    for (;;) /* until the panic ends the process */
        weft_yield();
}

CHILD(panics)
{
    test_run(end_by_panic, NULL);
}

TEST(a_panic_counts_as_done)
{
    /* Goal: the panic goes on in the one who ran the function, but the others' do returns, later ones do nothing (ON-02).
     * Method: a deferred call looks at what has become of them before the panic ends the process. */
    static struct test_result result;
    if (TEST_TSAN)
        SKIP("a process that a panic ends leaks its threads");
    test_spawn("panics", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "panic: not today\n");
    CHECK_STR_EQ(result.out, "done all the same\n");
}

CHILD(panics_on_thread)
{
    weft_fn fn = end_badly;
    reset();
    atomic_store(&go_on, true);
    atomic_store(&returned, 6);
    do_and_panic(&fn);
}

TEST(a_panic_without_a_run_counts_as_done)
{
    /* Goal: the same on a thread that is not weft's. */
    static struct test_result result;
    if (TEST_TSAN)
        SKIP("a process that a panic ends leaks its threads");
    test_spawn("panics_on_thread", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "panic: not today\n");
    CHECK_STR_EQ(result.out, "done all the same\n");
}

/* ---- within itself ---- */

static weft_once inner_once;

static void do_again(void *arg)
{
    atomic_fetch_add(&calls, 1);
    weft_once_do(arg, count_call, NULL);
    FAIL("a do within its own function returned");
}

static void reenter(void *arg)
{
    weft_once_do(arg, do_again, arg);
}

static void leave_reentrant(void *arg)
{
    (void)arg;
    reset();
    crew_park(1, reenter, &once);
    test_until_idle();
    CHECK_EQ(atomic_load(&calls), 1);
    CHECK(!weft_once_done(&once));
}

TEST(a_do_within_its_own_function_waits_for_ever)
{
    /* Goal: it deadlocks (ON-03), alone: others go on, and the run ends. Method: it is parked when main returns. */
    CHECK_EQ(test_run(leave_reentrant, NULL), 0);
}

static void do_inner(void *arg)
{
    (void)arg;
    weft_once_do(&inner_once, count_call, NULL);
    CHECK(weft_once_done(&inner_once));
    CHECK(!weft_once_done(&once));
}

static void nest(void *arg)
{
    (void)arg;
    reset();
    inner_once = (weft_once){0};
    weft_once_do(&once, do_inner, NULL);
    weft_once_do(&once, do_inner, NULL);
    CHECK_EQ(atomic_load(&calls), 1);
}

TEST(one_once_within_another)
{
    /* Goal: a function may use other onces. */
    CHECK_EQ(test_run(nest, NULL), 0);
    nest(NULL);
}

static void *give_way(void *arg)
{
    sched_yield();
    return arg;
}

static void wander(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        weft_yield();
        weft_sleep(10 * WEFT_MICROSECOND);
        weft_blocking(give_way, NULL);
    }
    written++;
}

static void do_wander(int index)
{
    (void)index;
    weft_once_do(&once, wander, NULL);
    CHECK_EQ(written, 1);
}

static void wander_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < test_scale(50) + 1; i++) {
        reset();
        crew_run(6, 1, do_wander);
    }
}

TEST(the_function_may_park_and_move)
{
    /* Goal: it may sleep, block and go on in another thread. */
    CHECK_EQ(test_run(wander_once, NULL), 0);
}
