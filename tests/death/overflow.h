/* SPDX-License-Identifier: Apache-2.0
 * overflow.h - a goroutine that runs over its stack, and what is said of it then. */
#ifndef WEFT_TESTS_DEATH_OVERFLOW_H
#define WEFT_TESTS_DEATH_OVERFLOW_H

#include "../test.h"

#include "runtime/hooks.h"

#define STACK_BYTES ((size_t)64 << 10)
#define PAGE ((size_t)4096)

static struct test_result result;

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(98);
}

/* The lowest usable byte of the default stack that this is called on: the end is on the next page
 * boundary but one at most. */
static char *stack_bottom(void)
{
    char here;
    uintptr_t end = ((uintptr_t)&here + PAGE - 1) / PAGE * PAGE;
    return (char *)(end - STACK_BYTES + PAGE);
}

static TEST_NOINLINE int recurse(int depth)
{
    volatile char frame[512];
    memset((char *)frame, depth, sizeof(frame));
    if (depth == INT32_MAX)
        return 0;
    return recurse(depth + 1) + frame[depth % 512];
}

static void overflows(void *arg)
{
    (void)arg;
    recurse(0);
}

/* Run fn as a goroutine of its own, beside a parked main. */
struct job {
    weft_fn fn;
    weft_go_options options;
};

static void start_job(void *arg)
{
    static weft_priv_gate never;
    struct job *job = arg;
    CHECK_EQ(weft_go_with(&job->options, job->fn, NULL), 0);
    weft_priv_gate_wait(&never);
}

static void run_job(weft_fn fn, const char *name, size_t stack_bytes)
{
    struct job job = {.fn = fn, .options = {.name = name, .stack_size = stack_bytes}};
    test_run(start_job, &job);
}

/* The report of an overflow in text: goroutine as "1", or with N for any other id. */
static void check_goroutine(const char *text, const char *goroutine)
{
    const char *head = "\nfatal error: stack overflow\n\ngoroutine ";
    const char *at = strstr(text, head);
    char *end, rest[128];
    if (!at) {
        FAIL("no report: \"%.300s\"", text);
        return;
    }
    unsigned long long id = strtoull(at + strlen(head), &end, 10);
    if (*goroutine == 'N')
        CHECK_GT(id, 1);
    else
        CHECK_EQ(id, 1);
    snprintf(rest, sizeof(rest), "%s [running]:\n0x", goroutine + 1);
    if (strncmp(end, rest, strlen(rest)) != 0)
        FAIL("the report is not about goroutine %s: \"%.300s\"", goroutine, text);
}

/* The last child died of an overflow, and said so: the limit, the error, the goroutine, a trace. */
static void check_report(size_t limit, const char *goroutine)
{
    char head[128];
    snprintf(head, sizeof(head), "runtime: goroutine stack exceeds %zu-byte limit\n", limit);
    CHECK_EXITED(&result, 2);
    if (strncmp(result.err, head, strlen(head)) != 0)
        FAIL("stderr does not begin with \"%s\": \"%.300s\"", head, result.err);
    check_goroutine(result.err, goroutine);
}

CHILD(overflows)
{
    run_job(overflows, NULL, 0);
}

#endif
