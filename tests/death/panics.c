/* SPDX-License-Identifier: Apache-2.0
 * panics.c - panics that nobody tries: the whole of what stderr says before the trace, the status, what has run.
 *
 * Each CHILD runs in a process of its own. */
#include "../test.h"

static struct test_result result;
static weft_waitgroup never;

static void say(void *arg)
{
    if (write(STDOUT_FILENO, arg, strlen(arg)) < 0)
        _exit(98);
}

/* stderr begins with text, an empty line and the header of a goroutine; stdout is out. */
static void check(const char *child, const char *text, const char *out)
{
    char expected[1024];
    snprintf(expected, sizeof expected, "%s\n\ngoroutine ", text);
    test_spawn(child, &result);
    CHECK_EXITED(&result, 2);
    if (strncmp(result.err, expected, strlen(expected)) != 0)
        FAIL("%s: stderr is not \"%s...\" but \"%.300s\"", child, expected, result.err);
    CHECK_STR_HAS(result.err, " [running]:\n");
    CHECK_STR_EQ(result.out, out);
}

/* ---- chains ---- */

static void panics_b(void *arg)
{
    WEFT_DEFER(say, "d");
    weft_panic("B%s", (const char *)arg);
}

static void panics_ab(void *arg)
{
    WEFT_DEFER(say, "a");
    WEFT_DEFER(panics_b, arg);
    WEFT_DEFER(say, "c");
    weft_panic("A");
}

static void panics_abc(void *arg)
{
    WEFT_DEFER(panics_b, "!");
    panics_ab(arg);
}

CHILD(two)
{
    test_run(panics_ab, "");
}
CHILD(three)
{
    test_run(panics_abc, "\nwith a line");
}

TEST(a_chain_from_the_outside_in)
{
    /* Goal: as Go shows it: each panic that was raised in a deferred call of the one above is set in; all deferred calls
     * have run, each once; newlines are followed by a tab (PN-06). */
    check("two", "panic: A\n\tpanic: B", "cda");
    check("three", "panic: A\n\tpanic: B\n\twith a line\n\tpanic: B!", "cdad");
}

static void panics_on(void *arg)
{
    int *left = arg;
    if (--*left < 0)
        return;
    WEFT_DEFER(panics_on, arg);
    weft_panic("%0250d", *left);
}

static int left;

CHILD(twenty)
{
    left = 20;
    test_run(panics_on, &left);
}

TEST(a_long_chain_is_whole)
{
    int shown = 0;
    test_spawn("twenty", &result);
    CHECK_EXITED(&result, 2);
    for (const char *at = result.err; (at = strstr(at, "panic: 0000")) != NULL; at++)
        shown++;
    CHECK_EQ(shown, 20);
    CHECK_STR_HAS(result.err, "00\n\ngoroutine 1 [running]:\n");
}

/* ---- what isn't in a chain ---- */

static void tries_and_panics(void *arg)
{
    weft_panic_info info;
    CHECK(weft_try(panics_ab, arg, NULL));
    CHECK(weft_try(panics_ab, arg, &info));
    weft_panic_clear(&info);
    weft_panic("after");
}

static void tries_in_deferred(void *arg)
{
    CHECK(weft_try(panics_ab, arg, NULL));
}

static void deferred_tries(void *arg)
{
    WEFT_DEFER(tries_in_deferred, arg);
    weft_panic("outer");
}

CHILD(after_a_try)
{
    test_run(tries_and_panics, "");
}
CHILD(around_a_try)
{
    test_run(deferred_tries, "");
}

TEST(what_was_tried_is_over)
{
    /* Goal: panics that a weft_try has caught are in no report. */
    check("after_a_try", "panic: after", "cdacda");
    check("around_a_try", "panic: outer", "cda");
}

static void exits(void *arg)
{
    (void)arg;
    weft_goexit();
}

static void exits_in_deferred(void *arg)
{
    WEFT_DEFER(panics_b, "");
    WEFT_DEFER(exits, arg);
    weft_panic("A");
}

static void ends_a(void *arg)
{
    WEFT_DEFER(exits, arg);
    weft_panic("A");
}

static void tries_exit(void *arg)
{
    WEFT_DEFER(panics_b, "");
    weft_try(ends_a, arg, arg);
}

static void exits_and_panics(void *arg)
{
    WEFT_DEFER(panics_b, "");
    exits(arg);
}

CHILD(exit_then_panic)
{
    test_run(exits_and_panics, NULL);
}
CHILD(panic_exit_panic)
{
    test_run(exits_in_deferred, NULL);
}
CHILD(panic_tried_exit_panic)
{
    test_run(tries_exit, NULL);
}
CHILD(panic_asked_exit_panic)
{
    static weft_panic_info info;
    test_run(tries_exit, &info);
}

TEST(a_panic_in_a_deferred_call_of_goexit)
{
    /* Goal: it ends the process; a panic that goexit has ended stands above it, as in Go, unless it was on its way to a try
     * that didn't ask what it says. */
    check("exit_then_panic", "panic: B", "d");
    check("panic_exit_panic", "panic: A\n\tpanic: B", "d");
    check("panic_asked_exit_panic", "panic: A\n\tpanic: B", "d");
    check("panic_tried_exit_panic", "panic: B", "d");
}

/* ---- where nothing is tried ---- */

static int constructs(void *object, void *arg)
{
    (void)object;
    WEFT_DEFER(say, "c");
    weft_panic("constructs %s", (const char *)arg);
}

static void destroys(void *object, void *arg)
{
    (void)object;
    WEFT_DEFER(say, "d");
    weft_panic("destroys %s", (const char *)arg);
}

static void gets_one(void *arg)
{
    weft_pool_get(arg);
}

static void tries_get(void *arg)
{
    (void)arg;
    const weft_pool_options options = {.object_size = 8, .construct = constructs, .arg = "it"};
    weft_pool *pool = weft_pool_new(&options);
    REQUIRE(pool);
    WEFT_DEFER(say, "never");
    weft_try(gets_one, pool, NULL);
}

static void frees(void *arg)
{
    weft_pool_free(arg);
}

static void tries_free(void *arg)
{
    (void)arg;
    const weft_pool_options options = {.object_size = 8, .destroy = destroys, .arg = "it"};
    weft_pool *pool = weft_pool_new(&options);
    REQUIRE(pool);
    weft_pool_put(pool, weft_pool_get(pool));
    weft_try(frees, pool, NULL);
}

CHILD(in_construct)
{
    test_run(tries_get, NULL);
}
CHILD(in_destroy)
{
    test_run(tries_free, NULL);
}

TEST(a_pools_functions)
{
    /* Goal: a panic in construct or destroy is fatal there: its own deferred calls run, no try catches it. */
    check("in_construct", "panic: constructs it", "c");
    check("in_destroy", "panic: destroys it", "d");
}

static void panics_in_local(void *value)
{
    panics_b(value);
}

static void sets_local(void *arg)
{
    weft_local *key = weft_local_new(panics_in_local);
    REQUIRE(key && weft_local_set(key, arg) == 0);
}

static void tries_local(void *arg)
{
    weft_try(sets_local, arg, NULL);
}

static void after_a_while(void *arg)
{
    weft_after_func(TEST_MS, panics_b, arg);
    weft_waitgroup_add(&never, 1);
    weft_waitgroup_wait(&never);
}

CHILD(in_local)
{
    test_run(tries_local, "");
}
CHILD(in_after_func)
{
    test_run(after_a_while, "");
}

TEST(goroutines_of_others)
{
    /* Goal: a local's destructor, and a function that a timer calls. */
    check("in_local", "panic: B", "d");
    check("in_after_func", "panic: B", "d");
}

/* ---- blocking sections and foreign threads ---- */

static void *panics_below(void *arg)
{
    panics_ab(arg);
    return NULL;
}

static void sections(void *arg)
{
    WEFT_DEFER(say, "o");
    weft_blocking(panics_below, arg);
}

static void sections_in_deferred(void *arg)
{
    WEFT_DEFER(sections, arg);
    weft_panic("before");
}

CHILD(in_section)
{
    test_run(sections, "");
}
CHILD(in_section_in_deferred)
{
    test_run(sections_in_deferred, "");
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

TEST(the_trace_of_a_section_is_the_only_one)
{
    /* Goal: frames around the section, which its panic's trace has already, are told once, and only with a trace wanted. The story:
     * they were told again below it, and with WEFT_TRACEBACK=none the section's alone. */
    check("in_section", "panic: B", "cdao");
    CHECK_EQ(count(result.err, " weft_blocking+0x"), 1);
    CHECK_EQ(count(result.err, " sections+0x"), count(result.err, " panics_below+0x"));
    setenv("WEFT_TRACEBACK", "none", 1);
    test_spawn("in_section", &result);
    unsetenv("WEFT_TRACEBACK");
    CHECK_EXITED(&result, 2);
    CHECK_STR_EQ(result.err, "panic: B\n");
}

static void sections_locked(void *arg)
{
    weft_lock_os_thread();
    sections(arg);
}

static void panics_locked(void *arg)
{
    weft_lock_os_thread();
    panics_b(arg);
}

static void start_named(weft_fn fn)
{
    CHECK_EQ(weft_go_with(&(weft_go_options){.name = "a\nworker"}, fn, ""), 0);
    weft_waitgroup_add(&never, 1);
    weft_waitgroup_wait(&never);
}

static void starts_panic(void *arg)
{
    (void)arg;
    start_named(panics_locked);
}

static void starts_section(void *arg)
{
    (void)arg;
    start_named(sections_locked);
}

CHILD(named)
{
    test_run(starts_panic, NULL);
}
CHILD(named_in_section)
{
    test_run(starts_section, NULL);
}

TEST(who_panics_has_a_whole_header)
{
    /* Goal: name, lock and origin of who panics are told as of any other goroutine (PN-10). */
    static const char *const children[] = {"named", "named_in_section"};
    for (int i = 0; i < 2; i++) {
        test_spawn(children[i], &result);
        CHECK_EXITED(&result, 2);
        CHECK_EQ(strncmp(result.err, "panic: B\n\ngoroutine ", 20), 0);
        const char *header = strstr(result.err, " (a?worker) [running, locked to thread]:\n0x");
        REQUIRE(header);
        CHECK_PTR_EQ(strstr(result.err, "["), strstr(header, "["));
        const char *next = strstr(header, "\n\n"), *origin = strstr(header, "\ncreated by ");
        CHECK(origin && next && origin < next);
        CHECK_EQ(count(result.err, " [running"), 1);
    }
}

static void *gets_below(void *arg)
{
    (void)arg;
    tries_get(NULL);
    return NULL;
}

static void sections_again(void *arg)
{
    CHECK(weft_try(sections, arg, NULL));
    weft_blocking(gets_below, NULL);
}

CHILD(after_a_section)
{
    test_run_procs(1, sections_again, "");
}

TEST(what_a_section_raised_is_over)
{
    /* Goal: a panic that has left a section is in no report of a later one's, which ends on the same thread. */
    test_spawn("after_a_section", &result);
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "panic: constructs it\n\nforeign thread:\n", 38), 0);
    CHECK_STR_EQ(result.out, "cdaoc");
}

TEST(a_panic_in_a_section)
{
    /* Goal: it ends as one of the goroutine, whose deferred calls run; the trace begins where it was raised. */
    check("in_section", "panic: B", "cdao");
    CHECK_STR_HAS(result.err, "goroutine 1 [running]:\n");
    CHECK_STR_HAS(result.err, "panics_b");
    CHECK_STR_HAS(result.err, "weft_blocking");
    check("in_section_in_deferred", "panic: before\n\tpanic: B", "cdao");
}

CHILD(on_thread)
{
    panics_ab("");
}

TEST(a_foreign_thread)
{
    test_spawn("on_thread", &result);
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "panic: A\n\tpanic: B\n\nforeign thread:\n", 36), 0);
    CHECK_STR_EQ(result.out, "cda");
}

static void *tries_on_thread(void *arg)
{
    (void)arg;
    weft_goexit();
}

static void thread_exits(void *arg)
{
    tries_on_thread(arg);
}

CHILD(exit_on_thread)
{
    weft_try(thread_exits, NULL, NULL);
}

TEST(goexit_on_a_foreign_thread_cannot_be_tried)
{
    test_spawn("exit_on_thread", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "fatal error: weft_goexit on a thread that is no goroutine");
}
