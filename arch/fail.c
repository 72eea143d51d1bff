/* SPDX-License-Identifier: Apache-2.0
 * fail.c - failure injection, in the test build only. After SQLite's tests of out of memory, which
 * fail the first allocation, then the second, and so on until a run passes.
 *
 *   WEFT_FAIL=N        the N-th call of this process that could fail does, and weft says so
 *   WEFT_FAIL=N+       it and all that follow
 *   WEFT_FAIL=N:KIND   only those of a kind are counted (also N+:KIND): see names below
 *   WEFT_FAIL=count    none fails; how many there were is printed at exit */
#include "arch/fail.h"

#ifdef WEFT_TEST_BUILD

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/os.h"

static const char *const names[FAILURES] = {
    [FAIL_MEMORY] = "memory", [FAIL_ARENA] = "arena",       [FAIL_MAP] = "map",
    [FAIL_GUARD] = "guard",   [FAIL_THREAD] = "thread",     [FAIL_KEY] = "key",
    [FAIL_FILE] = "file",     [FAIL_TOPOLOGY] = "topology", [FAIL_BIND] = "bind",
    [FAIL_FENCE] = "fence",
};

static struct {
    pthread_once_t once;
    bool counts, stays;
    uint64_t at;
    const char *kind; /* NULL: any */
    _Atomic(uint64_t) passed;
} fail = {.once = PTHREAD_ONCE_INIT};

static void read_setting(void)
{
    const char *text = getenv("WEFT_FAIL");
    char *end = NULL;
    if (!text)
        return;
    fail.counts = strcmp(text, "count") == 0;
    fail.at = strtoull(text, &end, 10);
    fail.stays = *end == '+';
    end += fail.stays;
    if (*end == ':')
        fail.kind = end + 1;
}

bool os_fails(enum os_failure kind)
{
    pthread_once(&fail.once, read_setting);
    if (likely(!fail.at && !fail.counts))
        return false;
    if (fail.kind && strcmp(fail.kind, names[kind]) != 0)
        return false;
    uint64_t n = atomic_fetch_add_explicit(&fail.passed, 1, memory_order_relaxed) + 1;
    if (fail.counts || (fail.stays ? n < fail.at : n != fail.at))
        return false;
    if (n == fail.at) {
        char text[80];
        snprintf(text, sizeof text, "weft: WEFT_FAIL: %s fails, call %llu\n", names[kind],
                 (unsigned long long)n);
        os_write_stderr(text);
    }
    return true;
}

__attribute__((destructor)) static void report(void)
{
    char text[80];
    if (!fail.counts)
        return;
    snprintf(text, sizeof text, "weft: WEFT_FAIL: %llu calls could have failed\n",
             (unsigned long long)atomic_load_explicit(&fail.passed, memory_order_relaxed));
    os_write_stderr(text);
}

#endif
