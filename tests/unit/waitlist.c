/* SPDX-License-Identifier: Apache-2.0
 * waitlist.c - the list of waiters by itself, over records that this test makes. */
#include "../test.h"

#include "runtime/chan/waitlist.h"

/* ---- what the list needs of the scheduler ---- */

enum { RECORDS = 256, LISTS = 2 };

struct record {
    struct waiter waiter;
    struct waiter_extra extra;
    atomic_int over, popped, where;
};

static struct record records[RECORDS];
static struct waiter *names[WAITER_CHUNK_SIZE];
_Atomic(struct waiter **) waiter_chunks[UINT32_C(1) << (32 - WAITER_CHUNK_BITS)];
static atomic_long dropped;

static struct record *record_of(struct waiter *w)
{
    return (struct record *)w;
}

void waiter_drop(struct waiter *w)
{
    CHECK_GT(atomic_fetch_sub(&w->holders, 1), 0);
    atomic_fetch_add(&dropped, 1);
}

static bool is_over(struct waiter *w)
{
    return atomic_load(&record_of(w)->over);
}

static struct waitlist lists[LISTS];

static void reset(void)
{
    memset(records, 0, sizeof(records));
    memset(lists, 0, sizeof(lists));
    atomic_store(&waiter_chunks[0], names);
    for (uint32_t i = 0; i < RECORDS; i++) {
        records[i].waiter.name = i + 1;
        names[i + 1] = &records[i].waiter;
    }
    atomic_store(&dropped, 0);
}

static struct waiter *prepare(int i)
{
    atomic_store(&records[i].over, 0);
    atomic_store(&records[i].waiter.holders, 2);
    return &records[i].waiter;
}

/* ---- alone ---- */

TEST(first_in_first_out)
{
    /* Goal: the order of pushes is that of pops, through empty and back. */
    reset();
    CHECK_PTR_EQ(waitlist_pop(&lists[0]), NULL);
    for (int round = 1; round < 100; round++) {
        for (int i = 0; i < round; i++)
            waitlist_push(&lists[0], prepare(i));
        CHECK(!waitlist_is_empty(&lists[0]));
        for (int i = 0; i < round; i++) {
            CHECK(waitlist_has(&records[i].waiter));
            CHECK_PTR_EQ(waitlist_pop(&lists[0]), &records[i].waiter);
            CHECK(!waitlist_has(&records[i].waiter));
        }
        CHECK(waitlist_is_empty(&lists[0]));
    }
    CHECK_EQ(atomic_load(&dropped), 0);
}

TEST(leaving_keeps_the_order_of_the_others)
{
    /* Goal: any subset may leave; a sweep lets go of them all and the rest pop in order. */
    uint64_t seed = test_seed();
    for (int round = 0; round < test_scale(2000); round++) {
        bool gone[40] = {false};
        int left = 0;
        reset();
        for (int i = 0; i < 40; i++)
            waitlist_push(&lists[0], prepare(i));
        for (int i = (int)(test_random(&seed) % 40); i > 0; i--) {
            int k = (int)(test_random(&seed) % 40);
            if (gone[k])
                continue;
            gone[k] = true;
            atomic_store(&records[k].over, 1);
            if (!waitlist_leave(&lists[0], &records[k].waiter, is_over))
                left++;
        }
        waitlist_sweep(&lists[0], is_over);
        CHECK_EQ(atomic_load(&dropped), left);
        waitlist_push(&lists[0], prepare(40)); /* the hint may be void */
        for (int i = 0; i <= 40; i++)
            if (i == 40 || !gone[i])
                CHECK_PTR_EQ(waitlist_pop(&lists[0]), &records[i].waiter);
        CHECK_PTR_EQ(waitlist_pop(&lists[0]), NULL);
    }
}

TEST(those_who_left_do_not_pile_up)
{
    /* Goal: behind one who stays, coming and going for ever keeps the list short: their number is that of
     * records in use. */
    reset();
    waitlist_push(&lists[0], prepare(0));
    int in_use_most = 0, next = 1;
    for (int i = 0; i < test_scale(200000); i++) {
        int in_use = 0;
        while (atomic_load(&records[next].waiter.holders))
            next = next % (RECORDS - 1) + 1;
        waitlist_push(&lists[0], prepare(next));
        atomic_store(&records[next].over, 1);
        if (waitlist_leave(&lists[0], &records[next].waiter, is_over))
            atomic_store(&records[next].waiter.holders, 0);
        else
            waiter_drop(&records[next].waiter);
        for (int k = 1; k < RECORDS && i % 64 == 0; k++)
            in_use += atomic_load(&records[k].waiter.holders) > 0;
        in_use_most = in_use > in_use_most ? in_use : in_use_most;
    }
    CHECK_LT(in_use_most, 80);
    CHECK_PTR_EQ(waitlist_pop(&lists[0]), &records[0].waiter);
}

/* ---- together ---- */

enum { THREADS = 4 };
static atomic_bool stop;
static atomic_long pushes, pops;

/* Each has its own records, pushes them to either list, leaves or lets them be popped. */
static void *owner(void *arg)
{
    int me = (int)(intptr_t)arg;
    uint64_t seed = (uint64_t)me + 12345;
    while (!atomic_load(&stop)) {
        int i = me * 32 + (int)(test_random(&seed) % 32);
        struct record *r = &records[i];
        if (atomic_load(&r->waiter.holders))
            continue; /* somewhere still */
        struct waitlist *l = &lists[test_random(&seed) % LISTS];
        waitlist_push(l, prepare(i));
        atomic_fetch_add(&pushes, 1);
        if (test_random(&seed) % 4 == 0)
            sched_yield();
        if (test_random(&seed) % 2) {
            atomic_store(&r->over, 1);
            if (waitlist_leave(l, &r->waiter, is_over))
                atomic_store(&r->waiter.holders, 0);
            else
                waiter_drop(&r->waiter);
        } else {
            waiter_drop(&r->waiter); /* whoever pops it will be the last */
        }
    }
    return NULL;
}

static void *popper(void *arg)
{
    uint64_t seed = (uint64_t)(intptr_t)arg + 999;
    while (!atomic_load(&stop)) {
        struct waiter *w = waitlist_pop(&lists[test_random(&seed) % LISTS]);
        if (!w)
            continue;
        CHECK_EQ(atomic_fetch_add(&record_of(w)->popped, 1), 0);
        atomic_fetch_add(&pops, 1);
        atomic_fetch_sub(&record_of(w)->popped, 1);
        waiter_drop(w);
    }
    return NULL;
}

TEST(owners_and_poppers)
{
    /* Goal: no record is lost, popped twice at a time or freed twice, whatever races. Method: records go between
     * two lists; in the end all that is still in a list comes out, and every hold has been dropped. */
    pthread_t threads[2 * THREADS];
    reset();
    atomic_store(&stop, false);
    for (intptr_t i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[2 * i], NULL, owner, (void *)i) == 0);
        REQUIRE(pthread_create(&threads[2 * i + 1], NULL, popper, (void *)i) == 0);
    }
    int64_t until = test_now() + (int64_t)(test_seconds() * 1e9);
    while (test_now() < until)
        usleep(10000);
    atomic_store(&stop, true);
    for (int i = 0; i < 2 * THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < LISTS; i++) {
        waitlist_sweep(&lists[i], is_over);
        for (struct waiter *w; (w = waitlist_pop(&lists[i]));)
            waiter_drop(w);
        CHECK(waitlist_is_empty(&lists[i]));
    }
    for (int i = 0; i < RECORDS; i++)
        CHECK_EQ(atomic_load(&records[i].waiter.holders), 0);
    CHECK_GT(atomic_load(&pushes), 100);
    CHECK_GT(atomic_load(&pops), 0);
}
