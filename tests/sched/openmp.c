/* SPDX-License-Identifier: Apache-2.0
 * openmp.c - beside OpenMP: the threads of its teams are foreign threads to weft. */
#include "../test.h"

#include <omp.h>

enum { TEAM = 4, ROUNDS = 200 };

struct sum {
    weft_waitgroup done;
    atomic_long value;
};

struct part {
    struct sum *sum;
    long value;
};

static void add(void *arg)
{
    struct part *part = arg;
    weft_yield();
    atomic_fetch_add(&part->sum->value, part->value);
    weft_waitgroup_done(&part->sum->done);
}

/* Each thread of a team starts goroutines and waits for them. */
static long sum_in_team(int rounds)
{
    long total = 0;
#pragma omp parallel num_threads(TEAM) reduction(+ : total)
    {
        CHECK_EQ(omp_get_num_threads(), TEAM);
        CHECK_EQ(weft_self(), 0);
        for (int i = 0; i < rounds; i++) {
            struct sum sum = {0};
            weft_waitgroup_add(&sum.done, 4);
            for (int k = 1; k <= 4; k++)
                CHECK_EQ(WEFT_GO(add, struct part, &sum, k), 0);
            if (i % 2)
                weft_waitgroup_wait(&sum.done);
            else
                CHECK_EQ(weft_waitgroup_wait_until(&sum.done, WEFT_FOREVER), 0);
            total += atomic_load(&sum.value);
#pragma omp barrier
        }
    }
    return total;
}

static void *team_in_section(void *arg)
{
    *(long *)arg = sum_in_team(test_scale(ROUNDS));
    return arg;
}

static void *join_thread(void *thread)
{
    CHECK_EQ(pthread_join(*(pthread_t *)thread, NULL), 0);
    return thread;
}

static void compute_and_wait(void *arg)
{
    weft_waitgroup *all = arg;
    for (int i = 0; i < test_scale(ROUNDS); i++)
        weft_yield();
    weft_waitgroup_done(all);
}

static void teams(void *arg)
{
    long total = 0;
    pthread_t thread;
    weft_waitgroup all = {0};
    (void)arg;
    REQUIRE(pthread_create(&thread, NULL, team_in_section, arg) == 0);
    weft_waitgroup_add(&all, 10);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(compute_and_wait, &all), 0);
    CHECK_PTR_EQ(weft_blocking(team_in_section, &total), &total);
    CHECK_EQ(total, (long)TEAM * 10 * test_scale(ROUNDS));
    weft_waitgroup_wait(&all);
    weft_blocking(join_thread, &thread);
}

TEST(threads_of_teams_wait_for_goroutines)
{
    /* Goal: OpenMP threads use weft as any foreign thread. Method: two teams, one of a thread of the
     * program, one of a blocking section, whose threads all start goroutines and wait for them. */
    long total = 0;
    CHECK_EQ(test_run(teams, &total), 0);
    CHECK_EQ(total, (long)TEAM * 10 * test_scale(ROUNDS));
    CHECK_EQ(test_run(teams, &total), 0);
}

static void one_after_another(void *arg)
{
    long sum = 0;
    (void)arg;
#pragma omp parallel for num_threads(TEAM) reduction(+ : sum)
    for (int i = 0; i < 1000; i++)
        sum += i;
    CHECK_EQ(sum, 499500);
}

static void teams_in_goroutines(void *arg)
{
    weft_waitgroup all = {0};
    (void)arg;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_waitgroup_go(&all, one_after_another, NULL), 0);
    weft_waitgroup_wait(&all);
}

TEST(goroutines_compute_in_teams)
{
    /* Goal: a goroutine that makes no weft call meanwhile may lead a team. Method: twenty of them. */
    CHECK_EQ(test_run(teams_in_goroutines, NULL), 0);
}
