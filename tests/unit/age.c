/* SPDX-License-Identifier: Apache-2.0
 * age.c - for how many minutes goroutines have been parked: those that are passed over, and those that move meanwhile. */
#include "runtime/sched/internal.h"

#include "../test.h"

#define MINUTE INT64_C(60000000000)

struct sched sched;

static struct slab_cache cache;
static struct g *first, *second; /* in the order in which they are passed over */
static struct waiter record;

static struct g *new_g(void)
{
    struct g *g = slab_get(&sched.g_class, &cache);
    REQUIRE(g);
    return g;
}

static void park(struct g *g, struct waiter *with)
{
    struct waiter *w = with ? with : &g->waiter;
    atomic_store(&g->waiting, with);
    atomic_store(&w->reason, WAIT_CHAN_RECV);
    atomic_store(&g->state, G_PARKED);
}

static void wake(struct g *g)
{
    atomic_store(&g->state, G_ALIVE);
    atomic_store(&g->waiting, NULL);
}

static void begin(void)
{
    if (!first) {
        sched.g_class.object_bytes = (sizeof(struct g) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
        first = new_g();
        second = new_g();
        CHECK_LT((uintptr_t)first, (uintptr_t)second);
    }
    wake(first);
    wake(second);
}

TEST(minutes_count_from_the_first_pass)
{
    /* Goal: whoever is found parked ages from then on, until he parks anew. */
    struct waiter *with[] = {NULL, &record};
    for (int i = 0; i < 2; i++) {
        begin();
        park(first, with[i]);
        CHECK_EQ(g_parked_minutes(first), 0);
        age_pass(os_now() - 7 * MINUTE);
        CHECK_EQ(g_parked_minutes(first), 7);
        age_pass(os_now() - 3 * MINUTE);
        CHECK_EQ(g_parked_minutes(first), 7);
        wake(first);
        park(first, with[i]);
        CHECK_EQ(g_parked_minutes(first), 0);
        age_pass(os_now());
        CHECK_EQ(g_parked_minutes(first), 0);
    }
}

static unsigned hold_at;
static atomic_bool armed, passed;

static void *passes(void *arg)
{
    int64_t now = os_now(); /* in more steps or fewer, so not while they count */
    os_hold_at(hold_at);
    atomic_store(&armed, true);
    age_pass(now);
    os_hold_at(0);
    atomic_store(&passed, true);
    return arg;
}

static struct timespec moment = {.tv_nsec = 50000};

#define UNTIL(cond)                                                                                \
    while (!(cond))                                                                                \
    nanosleep(&moment, NULL)

/* Whether the pass was held there. */
static bool pass_while_a_record_moves(void)
{
    pthread_t thread;
    begin();
    atomic_store(&armed, false);
    atomic_store(&passed, false);
    atomic_store(&first->parked_since, os_now() - 90 * MINUTE); /* of a wait long ago */
    park(second, &record);
    REQUIRE(pthread_create(&thread, NULL, passes, NULL) == 0);
    UNTIL(atomic_load(&armed));
    UNTIL(os_hold_is_on() || atomic_load(&passed));
    bool held = os_hold_is_on();
    wake(second);
    park(first, &record);
    os_hold_end();
    pthread_join(thread, NULL);
    CHECK_EQ(g_parked_minutes(first), 0);
    return held;
}

TEST(a_record_takes_no_minutes_along)
{
    /* Goal: one that has just parked with another's record isn't told to have waited since his own last wait, an hour ago.
     * Method: hold the pass at each point, and hand the record on. */
    int points = 0;
    if (!os_hold_at(0))
        SKIP("not a test build");
    for (hold_at = 1; hold_at < 100 && pass_while_a_record_moves(); hold_at++)
        points++;
    CHECK_GE(points, 3);
}
