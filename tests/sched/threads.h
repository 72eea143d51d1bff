/* SPDX-License-Identifier: Apache-2.0
 * threads.h - how many threads the process has, for tests of runs that leave threads behind. */
#ifndef WEFT_TESTS_SCHED_THREADS_H
#define WEFT_TESTS_SCHED_THREADS_H

#include "../test.h"

TEST_UNUSED static void nothing(void *arg)
{
    (void)arg;
}

/* Those of a sanitizer included; but not the one that waits for orphans to free what they may still look at. */
static int count_threads(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    REQUIRE(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.' && !test_thread_is_named(e->d_name, "weft-reclaim");
    closedir(dir);
    return n;
}

/* How many threads there are between runs. */
static int threads_at_rest(void)
{
    CHECK_EQ(test_run(nothing, NULL), 0);
    return count_threads();
}

/* A thread that was abandoned ends on its own, a joined one may show in /proc for a moment. */
static void until_threads(int n)
{
    TEST_UNTIL(count_threads() <= n);
}

#endif
