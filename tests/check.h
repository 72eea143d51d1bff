/* SPDX-License-Identifier: Apache-2.0
 * check.h - the checks that a test makes (see test.h), on any thread, and what came of them. */
#ifndef WEFT_TEST_CHECK_H
#define WEFT_TEST_CHECK_H

#include "kind.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

static const char *test_current_ = "(none)";
static atomic_int test_failures_; /* of the test that runs */
static atomic_int test_running_;  /* inside test_run */
static bool test_skipped_;
static jmp_buf test_leave_;
static pthread_t test_thread_;

/* One write a report, so that those of several threads stay apart. */
__attribute__((format(printf, 3, 4))) TEST_UNUSED static void test_fail(const char *file, int line,
                                                                        const char *format, ...)
{
    char text[1024];
    int used = snprintf(text, sizeof(text), "%s:%d: in %s: ", file, line, test_current_);
    va_list args;
    va_start(args, format);
    used += vsnprintf(text + used, sizeof(text) - (size_t)used - 1, format, args);
    va_end(args);
    used = used > (int)sizeof(text) - 2 ? (int)sizeof(text) - 2 : used;
    text[used++] = '\n';
    int failed_before = atomic_fetch_add(&test_failures_, 1);
    if (failed_before < 20 && write(STDERR_FILENO, text, (size_t)used) < 0)
        abort();
}

_Noreturn TEST_UNUSED static void test_leave(void)
{
    if (atomic_load(&test_running_) == 0 && pthread_equal(pthread_self(), test_thread_))
        longjmp(test_leave_, 1);
    _exit(1);
}

#define CHECK(cond) ((cond) ? (void)0 : test_fail(__FILE__, __LINE__, "%s does not hold", #cond))
#define REQUIRE(cond)                                                                              \
    ((cond) ? (void)0 : (test_fail(__FILE__, __LINE__, "%s does not hold", #cond), test_leave()))
#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Takes the expressions as text too: as arguments of a further macro they would be expanded first. */
#define CHECK_COMPARE_(a, op, b, a_text, b_text)                                                   \
    do {                                                                                           \
        intmax_t a_ = (intmax_t)(a), b_ = (intmax_t)(b);                                           \
        if (!(a_ op b_))                                                                           \
            test_fail(__FILE__, __LINE__, "%s " #op " %s does not hold: %jd, %jd", a_text, b_text, \
                      a_, b_);                                                                     \
    } while (0)
#define CHECK_EQ(a, b) CHECK_COMPARE_(a, ==, b, #a, #b)
#define CHECK_NE(a, b) CHECK_COMPARE_(a, !=, b, #a, #b)
#define CHECK_LT(a, b) CHECK_COMPARE_(a, <, b, #a, #b)
#define CHECK_LE(a, b) CHECK_COMPARE_(a, <=, b, #a, #b)
#define CHECK_GT(a, b) CHECK_COMPARE_(a, >, b, #a, #b)
#define CHECK_GE(a, b) CHECK_COMPARE_(a, >=, b, #a, #b)
#define CHECK_PTR_EQ(a, b)                                                                         \
    do {                                                                                           \
        const void *a_ = (a), *b_ = (b);                                                           \
        if (a_ != b_)                                                                              \
            test_fail(__FILE__, __LINE__, "%s == %s does not hold: %p, %p", #a, #b, a_, b_);       \
    } while (0)
#define CHECK_STR_EQ(a, b)                                                                         \
    do {                                                                                           \
        const char *a_ = (a), *b_ = (b);                                                           \
        if (!a_ || !b_ || strcmp(a_, b_) != 0)                                                     \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, a_ ? a_ : "(null)",      \
                      b_ ? b_ : "(null)");                                                         \
    } while (0)
#define CHECK_STR_HAS(text, part)                                                                  \
    do {                                                                                           \
        const char *text_ = (text), *part_ = (part);                                               \
        if (!text_ || !strstr(text_, part_))                                                       \
            test_fail(__FILE__, __LINE__, "%s lacks \"%s\": \"%.300s\"", #text, part_,             \
                      text_ ? text_ : "(null)");                                                   \
    } while (0)

#define SKIP(reason)                                                                               \
    do {                                                                                           \
        fprintf(stderr, "    skipped: %s\n", (reason));                                            \
        test_skipped_ = true;                                                                      \
        return;                                                                                    \
    } while (0)

#endif
