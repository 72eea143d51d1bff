/* SPDX-License-Identifier: Apache-2.0
 * section.c - panics in functions of weft_blocking: they are raised in the goroutine. */
#include "everywhere.h"

static void *panics(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'x'));
    WEFT_DEFER(note, letter(arg, 'y'));
    CHECK_EQ(weft_self(), 0);
    weft_panic("below %d", 7);
}

static void panics_here(void *arg)
{
    panics(arg);
}

static void calls_section(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'z'));
    weft_blocking(panics, arg);
    note(letter(arg, '!'));
}

struct outcome {
    struct notes notes;
    weft_panic_info info;
    bool caught;
};

static void tries_section(void *arg)
{
    struct outcome *o = arg;
    o->caught = weft_try(calls_section, &o->notes, &o->info);
    CHECK_GT(weft_self(), 0);
    CHECK_EQ(o->info.goroutine, weft_self());
}

TEST(a_panic_is_raised_in_the_goroutine)
{
    /* Goal: the deferred calls of the function run in the section, the goroutine's outside; the try there tells the message, the
     * goroutine, and the place: the function's frames, though they are gone. */
    struct outcome o = {0};
    CHECK_EQ(test_run(tries_section, &o), 0);
    CHECK(o.caught);
    CHECK_STR_EQ(o.notes.text, "yxz");
    CHECK_STR_EQ(o.info.message, "below 7");
    REQUIRE(o.info.trace);
    CHECK_STR_HAS(o.info.trace, "panics");
    CHECK_STR_HAS(o.info.trace, "weft_blocking");
    CHECK_STR_HAS(o.info.trace, "calls_section");
    weft_panic_clear(&o.info);
}

static void *tries_inside(void *arg)
{
    weft_panic_info info;
    CHECK(weft_try(panics_here, arg, &info));
    CHECK_STR_EQ(info.message, "below 7");
    CHECK_EQ(info.goroutine, 0);
    weft_panic_clear(&info);
    CHECK(weft_try(panics_here, arg, NULL));
    return arg;
}

static void section_tries(void *arg)
{
    CHECK_PTR_EQ(weft_blocking(tries_inside, arg), arg);
}

TEST(a_try_in_a_section)
{
    /* Goal: it catches there, and the section goes on. */
    struct notes notes = {0};
    CHECK_EQ(test_run(section_tries, &notes), 0);
    CHECK_STR_EQ(notes.text, "yxyx");
}

static void panics_in_deferred(void *arg)
{
    (void)arg;
    weft_panic("later");
}

static void *replaces(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'a'));
    WEFT_DEFER(panics_in_deferred, NULL);
    weft_panic("first");
}

static void section_replaces(void *arg)
{
    weft_blocking(replaces, arg);
}

static void tries_replacing(void *arg)
{
    weft_panic_info info;
    CHECK(weft_try(section_replaces, arg, &info));
    CHECK_STR_EQ(info.message, "later");
    CHECK_STR_HAS(info.trace, "panics_in_deferred");
    weft_panic_clear(&info);
    CHECK_PTR_EQ(weft_blocking(tries_inside, arg), arg);
}

TEST(a_panic_in_a_deferred_call_of_a_section)
{
    struct notes notes = {0};
    CHECK_EQ(test_run(tries_replacing, &notes), 0);
    CHECK_STR_EQ(notes.text, "ayxyx");
}

static void raises_later(void *arg)
{
    (void)arg;
    weft_panic("later");
}

static void section_is_replaced(void *arg)
{
    WEFT_DEFER(raises_later, NULL);
    calls_section(arg);
}

static void exits(void *arg)
{
    (void)arg;
    weft_goexit();
}

static void section_is_ended(void *arg)
{
    weft_panic_info info;
    WEFT_DEFER(exits, NULL);
    weft_try(section_is_replaced, arg, &info);
    weft_panic_clear(&info);
    calls_section(arg);
}

static void ends_below_try(void *arg)
{
    weft_panic_info info;
    weft_try(section_is_ended, arg, &info);
    CHECK(!"weft_goexit goes on");
}

static void replaces_and_ends(void *arg)
{
    weft_panic_info info;
    weft_waitgroup done = {0};
    CHECK(weft_try(section_is_replaced, arg, &info));
    CHECK_STR_EQ(info.message, "later");
    CHECK_STR_HAS(info.trace, "raises_later");
    weft_panic_clear(&info);
    CHECK_EQ(weft_waitgroup_go(&done, ends_below_try, arg), 0);
    weft_waitgroup_wait(&done);
}

TEST(a_panic_of_a_section_gives_way)
{
    /* Goal: one that another takes the place of, or that weft_goexit ends, leaves nothing: its trace was lost, says who looks for
     * leaks (ASan, Valgrind). */
    struct notes notes = {0};
    CHECK_EQ(test_run(replaces_and_ends, &notes), 0);
    CHECK_STR_EQ(notes.text, "yxzyxzyxz");
}

static atomic_bool go_on;

static void *waits_and_panics(void *arg)
{
    TEST_UNTIL(atomic_load(&go_on));
    return panics(arg);
}

static void calls_waiting(void *arg)
{
    weft_blocking(waits_and_panics, arg);
}

static void computes(void *arg)
{
    (void)arg;
    atomic_store(&go_on, true);
    weft_yield();
}

static void without_p(void *arg)
{
    weft_waitgroup done = {0};
    for (int i = 0; i < test_scale(100); i++) {
        struct outcome o = {0};
        atomic_store(&go_on, false);
        CHECK_EQ(weft_waitgroup_go(&done, computes, NULL), 0);
        CHECK(weft_try(calls_waiting, &o.notes, &o.info));
        CHECK_STR_EQ(o.info.message, "below 7");
        CHECK_STR_EQ(o.notes.text, "yx");
        weft_panic_clear(&o.info);
        weft_waitgroup_wait(&done);
    }
    (void)arg;
}

TEST(the_processor_is_gone)
{
    /* Goal: a goroutine that has to wait for a processor when its section ends may go on on another thread, while its old
     * one's stack is used by others. Method: what ends the section runs on the only processor. */
    CHECK_EQ(test_run_procs(1, without_p, NULL), 0);
    CHECK_EQ(test_run(without_p, NULL), 0);
}

static void tries_often(void *arg)
{
    int n = test_scale(2000);
    (void)arg;
    for (int i = 0; i < n; i++) {
        struct notes notes = {0};
        CHECK(weft_try(calls_section, &notes, NULL));
        CHECK_STR_EQ(notes.text, "yxz");
    }
}

static void several(void *arg)
{
    weft_waitgroup done = {0};
    for (int i = 0; i < 4; i++)
        REQUIRE(weft_waitgroup_go(&done, tries_often, arg) == 0);
    weft_waitgroup_wait(&done);
}

TEST(sections_panic_all_the_time)
{
    CHECK_EQ(test_run(several, NULL), 0);
}

static void locked(void *arg)
{
    weft_lock_os_thread();
    pthread_t thread = pthread_self();
    for (int i = 0; i < 10; i++) {
        tries_often(arg);
        CHECK(pthread_equal(thread, pthread_self()));
    }
    weft_unlock_os_thread();
}

TEST(a_locked_goroutine)
{
    /* Goal: it stays on its thread. */
    CHECK_EQ(test_run(locked, NULL), 0);
}

static atomic_bool in_section, main_gone;
static atomic_int deferred_ran;

static void count(void *arg)
{
    (void)arg;
    atomic_fetch_add(&deferred_ran, 1);
}

static void *panics_late(void *arg)
{
    WEFT_DEFER(count, arg);
    WEFT_DEFER(count, arg);
    atomic_store(&in_section, true);
    TEST_UNTIL(atomic_load(&main_gone));
    weft_panic("late");
}

static void section_late(void *arg)
{
    weft_blocking(panics_late, arg);
}

static void calls_late(void *arg)
{
    weft_panic_info info;
    (void)arg;
    weft_try(section_late, NULL, &info);
    FAIL("it went on after its run");
}

static void leaves_it(void *arg)
{
    CHECK_EQ(weft_go(calls_late, arg), 0);
    TEST_UNTIL(atomic_load(&in_section));
}

static void nothing(void *arg)
{
    (void)arg;
}

TEST(a_section_that_its_run_has_left_behind)
{
    /* Goal: its deferred calls run, and the goroutine, which is no more, raises nothing. */
    CHECK_EQ(test_run(leaves_it, NULL), 0);
    atomic_store(&main_gone, true);
    TEST_UNTIL(atomic_load(&deferred_ran) == 2);
    CHECK_EQ(test_run(nothing, NULL), 0);
}
