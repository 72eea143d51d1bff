/* SPDX-License-Identifier: Apache-2.0
 * quota.c - in a cgroup that allows half a CPU (cgroup.sh). */
#include "../test.h"

static void nap(void *arg)
{
    weft_sleep(TEST_MS);
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void compute(void *arg)
{
    for (int i = 0; i < 20; i++) {
        int64_t until = test_now() + TEST_MS;
        TEST_COMPUTE_UNTIL(test_now() >= until);
        weft_yield();
    }
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void look(void *arg)
{
    enum { EACH = 10 };
    weft_waitgroup all = {0};
    atomic_int ended = 0;
    for (int i = 0; i < EACH; i++) {
        CHECK_EQ(weft_waitgroup_go(&all, nap, &ended), 0);
        CHECK_EQ(weft_waitgroup_go(&all, compute, &ended), 0);
    }
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&ended), 2 * EACH);
    *(uint64_t *)arg = test_stats().procs;
}

TEST(half_a_cpu_is_one_processor)
{
    /* Goal: the default of maxprocs is the quota, rounded up; goroutines that sleep and compute get on while
     * the kernel stops all threads half of the time. */
    uint64_t procs = 0;
    weft_config four = {.maxprocs = 4};
    unsetenv("WEFT_MAXPROCS");
    CHECK_EQ(test_run_config(look, &procs, NULL), 0);
    CHECK_EQ(procs, 1);
    CHECK_EQ(test_run_config(look, &procs, &four), 0);
    CHECK_EQ(procs, 4);
}
