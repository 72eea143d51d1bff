/* SPDX-License-Identifier: Apache-2.0
 * exit.c - weft_goexit and panics: in each other's deferred calls, and below a weft_try. */
#include "everywhere.h"

/* What a goroutine does; last of all a waitgroup is done in a deferred call. */
struct exiting {
    weft_fn fn;
    struct notes *notes;
    weft_waitgroup *done;
};

static void is_done(void *arg)
{
    weft_waitgroup_done(arg);
}

static void run_exiting(void *arg)
{
    struct exiting *e = arg;
    WEFT_DEFER(is_done, e->done);
    e->fn(e->notes);
    note(letter(e->notes, '.')); /* it returned */
}

static void run_some(void *arg)
{
    weft_waitgroup done = {0};
    struct exiting *e = arg;
    e->done = &done;
    weft_waitgroup_add(&done, 1);
    REQUIRE(weft_go(run_exiting, e) == 0);
    weft_waitgroup_wait(&done);
    test_until_goroutines(1);
}

static void expect(weft_fn fn, const char *expected)
{
    struct notes notes = {0};
    struct exiting e = {.fn = fn, .notes = &notes};
    CHECK_EQ(test_run(run_some, &e), 0);
    CHECK_STR_EQ(notes.text, expected);
}

static void exits(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'e'));
    weft_goexit();
}

static void tries_exit(void *arg)
{
    weft_panic_info info;
    WEFT_DEFER(note, letter(arg, 'o'));
    weft_try(exits, arg, &info);
    note(letter(arg, '!'));
}

static void tries_twice(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'p'));
    weft_try(tries_exit, arg, NULL);
    note(letter(arg, '!'));
}

TEST(an_exit_passes_tries)
{
    /* Goal: goexit below a try ends the goroutine, and runs the deferred calls outside of it, too. */
    expect(tries_exit, "eo");
    expect(tries_twice, "eop");
}

static void exits_in_deferred(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'o'));
    WEFT_DEFER(exits, arg);
    weft_panic("never seen");
}

static void tries_exit_in_deferred(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'p'));
    weft_try(exits_in_deferred, arg, NULL);
    note(letter(arg, '!'));
}

TEST(an_exit_in_a_deferred_call_ends_the_panic)
{
    /* Goal: as in Go, the goroutine ends and the process doesn't, with and without a try around it. */
    expect(exits_in_deferred, "eo");
    expect(tries_exit_in_deferred, "eop");
}

static void panics(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'x'));
    weft_panic("in vain");
}

static void exits_and_panics(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'b'));
    WEFT_DEFER(panics, arg);
    WEFT_DEFER(note, letter(arg, 'a'));
    weft_goexit();
}

static void tries_exit_and_panic(void *arg)
{
    weft_panic_info info;
    WEFT_DEFER(note, letter(arg, 'z'));
    weft_try(exits_and_panics, arg, &info);
    note(letter(arg, '!'));
}

TEST(a_panic_on_the_way_out_doesnt_stop_an_exit)
{
    /* Goal: a panic in a deferred call of goexit comes back to the try that goexit was called in, and the goroutine
     * goes on to exit (Go: a recovered panic in a deferred call of Goexit). */
    expect(tries_exit_and_panic, "axbz");
}

static void tries_panic(void *arg)
{
    CHECK(weft_try(panics, arg, NULL));
    note(letter(arg, ','));
}

static void exits_and_tries(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'b'));
    WEFT_DEFER(tries_panic, arg);
    weft_goexit();
}

static void tries_exit_and_try(void *arg)
{
    WEFT_DEFER(exits_and_tries, arg);
    weft_try(exits_and_tries, arg, NULL);
}

TEST(tries_on_the_way_out)
{
    /* Goal: deferred calls of goexit may try, and exit again, in a try of their own, too. */
    expect(exits_and_tries, "x,b");
    expect(tries_exit_and_try, "x,bx,b");
}

static void exits_twice_and_panics(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'c'));
    weft_try(exits_and_panics, arg, NULL);
    note(letter(arg, '!'));
}

static void exits_in_exit(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'd'));
    WEFT_DEFER(exits_twice_and_panics, arg);
    weft_goexit();
}

TEST(an_exit_in_an_exit)
{
    /* Goal: the try that a panic comes back to knows that a second goexit was called below it. */
    expect(exits_in_exit, "axbcd");
}

static void again_and_again(void *arg)
{
    for (int i = 0; i < 10; i++) {
        struct notes notes = {0};
        weft_waitgroup done = {0};
        struct exiting e = {.fn = tries_exit_and_panic, .notes = &notes, .done = &done};
        weft_waitgroup_add(&done, 1);
        REQUIRE(weft_go(run_exiting, &e) == 0);
        weft_waitgroup_wait(&done);
        CHECK_STR_EQ(notes.text, "axbz");
        tries_panic(arg);
    }
}

TEST(a_descriptor_used_again)
{
    /* Goal: what a goroutine has raised and left is none of the next one's business, which gets its descriptor. */
    struct notes notes = {0};
    CHECK_EQ(test_run(again_and_again, &notes), 0);
    CHECK_STR_EQ(notes.text, "x,x,x,x,x,x,x,x,x,x,");
}

static weft_local *key;

static void destroyed(void *value)
{
    CHECK(weft_try(panics, value, NULL));
    note(letter(value, 'k'));
}

static void exits_with_local(void *arg)
{
    CHECK_EQ(weft_local_set(key, arg), 0);
    exits_in_deferred(arg);
}

TEST(a_local_is_destroyed_after_all)
{
    /* Goal: destroy may try what it does, after an exit that ended a panic. */
    struct notes notes = {0};
    struct exiting e = {.fn = exits_with_local, .notes = &notes};
    key = weft_local_new(destroyed);
    REQUIRE(key);
    CHECK_EQ(test_run(run_some, &e), 0);
    CHECK_STR_EQ(notes.text, "eoxk");
}
