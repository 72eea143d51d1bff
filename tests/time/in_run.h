/* SPDX-License-Identifier: Apache-2.0
 * in_run.h - tests whose body is main, with one processor and with those under test. */
#ifndef WEFT_TESTS_TIME_IN_RUN_H
#define WEFT_TESTS_TIME_IN_RUN_H

#include "../test.h"

#define IN_RUN(name_)                                                                              \
    static void run_##name_(void *arg);                                                            \
    TEST(name_)                                                                                    \
    {                                                                                              \
        CHECK_EQ(test_run_procs(1, run_##name_, NULL), 0);                                         \
        CHECK_EQ(test_run(run_##name_, NULL), 0);                                                  \
    }                                                                                              \
    static void run_##name_(void *arg)

#endif
