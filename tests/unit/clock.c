/* SPDX-License-Identifier: Apache-2.0
 * clock.c - the time that is computed from a counter, against a machine that is made up: a true time, a counter and a
 * kernel's clock that run at rates of their own, readings that take their time. And under threads, on the real ones. */
#include "arch/clock.h"

#include "../test.h"

#include "arch/os.h"

#define SECOND INT64_C(1000000000)
#define CLOSE_NS 2000 /* the contract allows 10 us; beside it two counts, which may be slow */

static struct machine {
    double counter, kernel; /* now */
    double counter_rate;    /* counts a true ns */
    double kernel_rate;     /* ns a true ns */
} machine;

static struct clock fake;
static uint64_t seed;

static void start(double counter_rate)
{
    if (!seed)
        seed = test_seed();
    fake = (struct clock)CLOCK_INIT;
    machine = (struct machine){
        .counter = 1e6, .kernel = 5e12, .counter_rate = counter_rate, .kernel_rate = 1};
}

static void pass(double ns)
{
    machine.counter += ns * machine.counter_rate;
    machine.kernel += ns * machine.kernel_rate;
}

static struct clock_reading reading(double takes_ns)
{
    struct clock_reading r = {.seen = atomic_load(&fake.current)};
    double before = machine.counter;
    pass(takes_ns * (double)(test_random(&seed) % 1024) / 1024);
    r.ns = (int64_t)machine.kernel;
    pass(takes_ns);
    r.width = (uint64_t)(machine.counter - before);
    r.counter = (uint64_t)before + r.width / 2;
    return r;
}

/* As os_now() does. */
static int64_t now(double takes_ns)
{
    int64_t ns;
    if (clock_at(&fake, (uint64_t)machine.counter, &ns))
        return ns;
    struct clock_reading r = reading(takes_ns);
    CHECK(clock_read(&fake, &r, &ns));
    return ns;
}

static bool is_computed(void)
{
    int64_t ns;
    return clock_at(&fake, (uint64_t)machine.counter, &ns);
}

static int64_t close_ns(void)
{
    return CLOSE_NS + (int64_t)(2 / machine.counter_rate);
}

static uint64_t restarts(void)
{
    uint64_t slot = atomic_load(&fake.current) % (1 << CLOCK_SLOT_BITS);
    return atomic_load(&fake.slots[slot].words[CLOCK_WORDS - 1]);
}

/* Ask n times, up to apart ns from each other: it never goes back, and never leaves the kernel's. */
static void ask(int n, double apart, double takes_ns)
{
    int64_t last = INT64_MIN;
    for (int i = 0; i < n; i++) {
        pass(apart * (double)(test_random(&seed) % 1024) / 1024);
        int64_t before = (int64_t)machine.kernel, ns = now(takes_ns);
        CHECK_GE(ns, last);
        CHECK_GE(ns, before - close_ns());
        CHECK_LE(ns, (int64_t)machine.kernel + close_ns());
        last = ns;
    }
}

TEST(it_keeps_to_the_kernels)
{
    /* Goal: at any frequency, asked often or seldom, with sharp readings or slow ones. */
    static const double rates[] = {0.001, 0.0625, 0.3, 1, 2.9, 5};
    static const double apart[] = {50, 3000, 5e6, 3e8, 2e12};
    for (size_t i = 0; i < TEST_COUNT_OF(rates); i++) {
        for (size_t k = 0; k < TEST_COUNT_OF(apart); k++) {
            start(rates[i]);
            ask(20, 4e6, 40);
            ask(test_scale(20000), apart[k], 40);
            ask(10, 2e7, 40);
            CHECK(is_computed());
            CHECK_EQ(restarts(), 0);
        }
    }
}

TEST(it_begins_ahead_of_the_kernels)
{
    /* Goal: the first piece, from a reading that is off as far as may be, is behind nobody who was told the kernel's time. */
    int64_t told, ns;
    start(2.5);
    now(40);
    pass((double)CLOCK_FIRST_NS + 1000);
    struct clock_reading first = {
        .seen = atomic_load(&fake.current), .width = 100, .ns = (int64_t)machine.kernel};
    first.counter = (uint64_t)machine.counter + 50;
    pass(40);
    struct clock_reading blurred = {
        .seen = first.seen, .width = UINT64_MAX / 2, .ns = (int64_t)machine.kernel};
    blurred.counter = (uint64_t)machine.counter;
    CHECK(clock_read(&fake, &blurred, &told));
    CHECK_EQ(told, (int64_t)machine.kernel);
    CHECK(clock_read(&fake, &first, &ns));
    CHECK(is_computed());
    CHECK_GE(now(0), told);
}

TEST(it_follows_a_kernel_that_is_steered)
{
    /* Goal: the kernel's rate changes as NTP changes it, by 500 ppm at most. */
    start(2.5);
    for (int i = 0; i < test_scale(300); i++) {
        machine.kernel_rate = 1 + ((double)(test_random(&seed) % 1001) - 500) / 2e6;
        for (int k = 0; k < 20; k++) {
            pass(5e6);
            int64_t ns = now(40);
            CHECK_GE(ns, (int64_t)machine.kernel - 200000);
            CHECK_LE(ns, (int64_t)machine.kernel + 200000);
        }
    }
    machine.kernel_rate = 1;
    for (int i = 0; i < 40; i++) {
        pass(3e7);
        now(40);
    }
    ask(100, 1e6, 40);
    CHECK(is_computed());
}

TEST(it_is_computed_from_sharp_readings_only)
{
    /* Goal: threads are interrupted between reading counter and clock. */
    start(2.5);
    int64_t last = INT64_MIN;
    for (int i = 0; i < test_scale(20000) + 100; i++) {
        pass(2e5);
        int64_t ns = now(i % 3 ? 1e5 : 40);
        CHECK_GE(ns, last);
        CHECK_LE(ns, (int64_t)machine.kernel + CLOSE_NS);
        CHECK_GE(ns, (int64_t)machine.kernel - 100000 - CLOSE_NS);
        last = ns;
    }
}

TEST(a_first_reading_that_took_long_is_replaced)
{
    start(2.5);
    int64_t ns = now(8000);
    for (int i = 0; i < 60; i++) {
        pass(1e6);
        int64_t next = now(40);
        CHECK_GE(next, ns);
        ns = next;
    }
    CHECK(is_computed());
    CHECK_LE(ns, (int64_t)machine.kernel + 200);
    CHECK_GE(ns, (int64_t)machine.kernel - 200);
}

TEST(after_idling_an_interrupted_reading_only_bridges_the_time)
{
    /* Goal: what it is off by isn't taken over; the rate that was known is better. */
    for (int i = 0; i < test_scale(50) + 5; i++) {
        start(2.5);
        ask(100, 4e6, 40);
        pass(60e9);
        now(9e5);
        pass(1000);
        int64_t ns = now(40);
        CHECK_LE(ns, (int64_t)machine.kernel + 100000);
        CHECK_GE(ns, (int64_t)machine.kernel - 100000);
        pass(5e8);
        now(40);
        pass(5e8);
        ask(10, 1e6, 40);
    }
}

TEST(late_threads_never_go_back)
{
    /* Goal: a thread that read the counter and then stood still, computes the time of that count. */
    start(2.5);
    ask(20, 4e6, 40);
    for (int i = 0; i < test_scale(20000); i++) {
        uint64_t seen = atomic_load(&fake.current), early = (uint64_t)machine.counter;
        int64_t by_early, before = now(40);
        int64_t after = before;
        for (int k = 0; k < 3; k++) {
            pass((double)(test_random(&seed) % 200000000));
            after = now(40);
        }
        if (clock_at(&fake, early, &by_early)) {
            CHECK_LE(by_early, after);
            CHECK_GE(by_early, before - 1000);
        }
        struct clock_reading r = {.seen = seen, .counter = early, .width = 20, .ns = before};
        if (clock_read(&fake, &r, &by_early))
            CHECK_LE(by_early, after);
        else
            CHECK_NE(seen, atomic_load(&fake.current));
    }
    CHECK_EQ(restarts(), 0);
}

/* Ask n times, a millisecond apart. */
static void ask_on(int n, int64_t *last)
{
    for (int i = 0; i < n; i++) {
        pass(1e6);
        int64_t ns = now(40);
        CHECK_GE(ns, *last);
        CHECK_LE(ns, (int64_t)machine.kernel + 2 * CLOCK_PIECE_NS);
        *last = ns;
    }
}

static void counter_goes_on(void)
{
    machine.counter += 3600e9;
}

static void counter_goes_back(void)
{
    machine.counter = 1000;
}

static void kernel_goes_on(void)
{
    machine.kernel += 3600e9;
}

static void counter_changes(void)
{
    machine.counter_rate = 3.1;
}

static void counter_stands_still(void)
{
    machine.counter_rate = 0;
}

static void kernel_stands_still(void)
{
    machine.kernel_rate = 0;
}

TEST(a_machine_that_sleeps_or_moves)
{
    /* Goal: the time doesn't go back, doesn't run ahead by more than a piece, and is the kernel's again. */
    static void (*const happens[])(void) = {counter_goes_on,      counter_goes_back,
                                            kernel_goes_on,       counter_changes,
                                            counter_stands_still, kernel_stands_still};
    for (size_t i = 0; i < TEST_COUNT_OF(happens); i++) {
        start(2.5);
        int64_t last = INT64_MIN;
        ask_on(400, &last);
        CHECK(is_computed());
        happens[i]();
        ask_on(500, &last);
        machine.counter_rate = machine.counter_rate == 0 ? 2.5 : machine.counter_rate;
        machine.kernel_rate = 1;
        ask_on(1000, &last);
        ask(100, 1e6, 40);
        CHECK(is_computed());
        CHECK_LE(restarts(), CLOCK_RESTARTS / 2);
    }
}

TEST(a_counter_that_is_wrong_again_and_again_is_given_up)
{
    start(2.5);
    int64_t last = INT64_MIN;
    for (int i = 0; i < 2 * CLOCK_RESTARTS; i++) {
        ask_on(200, &last);
        machine.counter += 3600e9;
    }
    ask_on(1000, &last);
    CHECK(!is_computed());
    CHECK_EQ(now(0), (int64_t)machine.kernel);
}

/* ---- threads ---- */

static _Atomic(int64_t) latest;
static atomic_bool go_on;

static void *look_at_clock(void *arg)
{
    do {
        int64_t seen = atomic_load(&latest), ns = os_now_in_order();
        CHECK_GE(ns, seen);
        while (seen < ns && !atomic_compare_exchange_weak(&latest, &seen, ns))
            ;
    } while (atomic_load(&go_on));
    return arg;
}

TEST(threads_agree)
{
    /* Goal: what one thread was told nobody who comes later is told to be still to come; from before there is a rate. */
    pthread_t threads[4];
    atomic_store(&go_on, true);
    for (int i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, look_at_clock, NULL) == 0);
    struct timespec while_they_do = {.tv_nsec = 400000000};
    nanosleep(&while_they_do, NULL);
    atomic_store(&go_on, false);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}
