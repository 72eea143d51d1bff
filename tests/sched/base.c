/* SPDX-License-Identifier: Apache-2.0
 * base.c - the version, features, the number of CPUs. */
#include "../test.h"

TEST(version_of_library_and_headers_agree)
{
    /* Goal: the library that is loaded belongs to the headers. Method: compare both forms. */
    int major = -1, minor = -1, patch = -1;
    CHECK_STR_EQ(weft_version(), WEFT_VERSION);
    CHECK_EQ(sscanf(weft_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    CHECK_EQ(WEFT_VERSION_NUMBER, 10000 * major + 100 * minor + patch);
}

TEST(unknown_features_are_absent)
{
    /* Goal: weft_feature never claims what it doesn't know. Method: NULL, empty, odd names. */
    CHECK(!weft_feature(NULL));
    CHECK(!weft_feature(""));
    CHECK(!weft_feature("no such feature"));
    CHECK(!weft_feature("jemallo"));
    CHECK(!weft_feature("jemalloc "));
}

static void cpus_in_run(void *arg)
{
    *(int *)arg = weft_num_cpu();
}

TEST(num_cpu_is_the_affinity_mask)
{
    /* Goal: weft_num_cpu counts the CPUs allowed and ignores maxprocs, in a run and outside of one.
     * Method: compare with sched_getaffinity, with 1 and 3 processors. */
    cpu_set_t set;
    int in_run = 0;
    REQUIRE(sched_getaffinity(0, sizeof(set), &set) == 0);
    CHECK_EQ(weft_num_cpu(), CPU_COUNT(&set));
    CHECK_EQ(test_run_procs(1, cpus_in_run, &in_run), 0);
    CHECK_EQ(in_run, CPU_COUNT(&set));
    CHECK_EQ(test_run_procs(3, cpus_in_run, &in_run), 0);
    CHECK_EQ(in_run, CPU_COUNT(&set));
}

static void nothing(void *arg)
{
    (void)arg;
}

TEST(affinity_of_the_caller_comes_back)
{
    /* Goal: the thread that called weft_run has its own CPU mask again afterwards, pinned or not.
     * Method: compare before and after, with as many Ps as CPUs (pinned) and with other numbers. */
    cpu_set_t before, after;
    REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
    for (int procs = 1; procs <= 4; procs++) {
        CHECK_EQ(test_run_procs(procs, nothing, NULL), 0);
        REQUIRE(sched_getaffinity(0, sizeof(after), &after) == 0);
        CHECK(CPU_EQUAL(&before, &after));
    }
}

TEST(synthetic_topologies)
{
    /* Goal: any topology that hwloc can describe runs. Method: 1 to 8 processors on a described
     * machine larger than this one. */
    weft_config config = {.topology = "node:2 core:4 pu:2"};
    for (config.maxprocs = 1; config.maxprocs <= 8; config.maxprocs *= 2)
        CHECK_EQ(test_run_config(nothing, NULL, &config), 0);
    config = (weft_config){.no_pin = 1};
    CHECK_EQ(test_run_config(nothing, NULL, &config), 0);
}
