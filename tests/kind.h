/* SPDX-License-Identifier: Apache-2.0
 * kind.h - what kind of run this is (see test.h): under which tool, on how many processors, how much work a test does in
 * it, from which seed. */
#ifndef WEFT_TEST_KIND_H
#define WEFT_TEST_KIND_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if __has_include("weft-config.h")
#include "weft-config.h"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif
#ifndef TEST_ASAN
#define TEST_ASAN 0
#endif
#ifndef TEST_TSAN
#define TEST_TSAN 0
#endif

/* Reports have lines of the source. */
#ifdef WEFT_SOURCE_LINES
#define TEST_LINES 1
#else
#define TEST_LINES 0
#endif

#define TEST_MS INT64_C(1000000)
#define TEST_UNUSED __attribute__((unused))
#define TEST_NOINLINE __attribute__((noinline))
#if defined(__clang__)
#define TEST_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define TEST_NO_TSAN __attribute__((no_sanitize_thread))
#endif
#define TEST_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

TEST_UNUSED static int64_t test_env(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoll(text, NULL, 10) : otherwise;
}

/* CLOCK_MONOTONIC in ns, straight from the system: weft_now() is itself under test. */
TEST_UNUSED static int64_t test_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* CPU time of the whole process, in ns. */
TEST_UNUSED static int64_t test_cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

TEST_UNUSED static bool test_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

/* In a cross build meson names the emulator (qemu-user) that programs run under. */
static const char *test_emulator(void)
{
    const char *wrapper = getenv("MESON_EXE_WRAPPER");
    return wrapper && *wrapper ? wrapper : NULL;
}

/* Memory use says nothing here, and everything is slow. */
TEST_UNUSED static bool test_instrumented(void)
{
    return TEST_ASAN || TEST_TSAN || test_valgrind();
}

/* Resident memory is what the program uses: no tool or emulator has a share in it. */
TEST_UNUSED static bool test_rss_tells(void)
{
    return !test_instrumented() && !test_emulator();
}

/* How many times slower than a release build this may be. */
TEST_UNUSED static int test_slowness(void)
{
    int slowness = TEST_TSAN ? 10 : TEST_ASAN ? 5 : 1;
#ifdef WEFT_TEST_BUILD
    slowness *= 4;
#endif
    return test_valgrind() ? slowness * 25 : slowness;
}

/* n repetitions, fewer where they would take too long; at least one. */
TEST_UNUSED static int test_scale(int n)
{
    int scaled = n / test_slowness() / (test_env("WEFT_TEST_QUICK", 0) ? 10 : 1);
    return scaled > 0 ? scaled : 1;
}

/* n goroutines alive at once: as test_scale, and at most 2000 where TSan or Valgrind has its limits. */
TEST_UNUSED static int test_scale_goroutines(int n)
{
    int scaled = n / (test_env("WEFT_TEST_QUICK", 0) ? 10 : 1);
#ifdef WEFT_TEST_BUILD
    scaled = scaled > 20000 ? 20000 : scaled;
#endif
    return test_instrumented() && scaled > 2000 ? 2000 : scaled > 0 ? scaled : 1;
}

/* Processors under test. */
TEST_UNUSED static int test_procs(int otherwise)
{
    return (int)test_env("WEFT_TEST_PROCS", otherwise);
}

/* The same, for tests that only make sense with `least` or more. */
TEST_UNUSED static int test_procs_min(int least)
{
    int procs = test_procs(least);
    return procs > least ? procs : least;
}

/* For how long a stress test goes on. */
TEST_UNUSED static double test_seconds(void)
{
    const char *text = getenv("WEFT_TEST_SECONDS");
    return text && *text ? strtod(text, NULL) : 1.0;
}

/* A seed, printed so that a failure can be repeated: WEFT_TEST_SEED=n. */
TEST_UNUSED static uint64_t test_seed(void)
{
    uint64_t seed = (uint64_t)test_env("WEFT_TEST_SEED", 0);
    if (seed == 0)
        seed = (uint64_t)test_now() ^ ((uint64_t)getpid() << 32);
    fprintf(stderr, "    WEFT_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* The next number of a splitmix64 sequence. */
TEST_UNUSED static uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

#endif
