/* SPDX-License-Identifier: Apache-2.0
 * try.c - weft_try: what it catches, what has run then, what it tells. (With weft_goexit: exits.c; uncaught
 * panics: death/panics.c.) */
#include "everywhere.h"

#include <fenv.h>

/* ---- what it catches ---- */

static void quiet(void *arg)
{
    struct notes *notes = arg;
    WEFT_DEFER(note, letter(notes, 'b'));
    note(letter(notes, 'a'));
}

static void nothing_raised(struct notes *notes)
{
    weft_panic_info info = {.message = "old", .goroutine = 77, .trace = (char *)1};
    CHECK(!weft_try(quiet, notes, NULL));
    CHECK(!weft_try(quiet, notes, &info));
    CHECK_STR_EQ(info.message, "");
    CHECK_EQ(info.goroutine, 0);
    CHECK(!info.trace);
    weft_panic_clear(&info);
    weft_panic_clear(&info);
    weft_panic_clear(NULL);
}

TEST(a_function_that_returns)
{
    /* Goal: false, its deferred calls have run, info is empty whatever it was. */
    everywhere(nothing_raised, "abab");
}

/* Through a pointer: the compiler must not see that nothing here returns. */
static void (*volatile raise_it)(const char *format, ...) = weft_panic;

static TEST_NOINLINE void panics(void *arg)
{
    struct notes *notes = arg;
    WEFT_DEFER(note, letter(notes, 'x'));
    {
        WEFT_DEFER(note, letter(notes, 'y'));
        raise_it("value %d of %s", 42, "many");
    }
    note(letter(notes, '!'));
}

static TEST_NOINLINE void panics_deep(int depth, struct notes *notes)
{
    WEFT_DEFER(note, letter(notes, '0' + depth));
    if (depth == 5)
        panics(notes);
    else
        panics_deep(depth + 1, notes);
    note(letter(notes, '!'));
}

static void begins_deep(void *arg)
{
    panics_deep(0, arg);
    note(letter(arg, '!'));
}

static void caught(struct notes *notes)
{
    weft_panic_info info;
    WEFT_DEFER(note, letter(notes, 'z'));
    CHECK(weft_try(begins_deep, notes, &info));
    CHECK_STR_EQ(info.message, "value 42 of many");
    CHECK_EQ(info.goroutine, weft_self());
    REQUIRE(info.trace);
    CHECK_STR_HAS(info.trace, "panics");
    CHECK_STR_HAS(info.trace, "begins_deep");
    CHECK_STR_HAS(info.trace, "\n");
    CHECK(!strstr(info.trace, "weft_panic"));
    weft_panic_clear(&info);
    CHECK(!info.trace);
    note(letter(notes, '.'));
    CHECK(weft_try(begins_deep, notes, NULL));
}

TEST(a_panic_is_caught)
{
    /* Goal: true; deferred calls of all frames have run, in reverse, and no more; message, goroutine and place are told
     * (PN-03). Method: letters, seven frames deep. */
    everywhere(caught, "yx543210.yx543210z");
}

static void unref(void *arg)
{
    weft_chan_unref(arg);
}

static void panics_by_misuse(void *arg)
{
    weft_chan *ch = arg;
    WEFT_DEFER(unref, weft_chan_ref(ch));
    weft_chan_close(ch);
}

static void misuse(struct notes *notes)
{
    weft_panic_info info;
    weft_chan *ch = weft_chan_new(0, 0);
    (void)notes;
    CHECK(!weft_try(panics_by_misuse, ch, &info));
    CHECK(weft_try(panics_by_misuse, ch, &info));
    CHECK_STR_EQ(info.message, "close of closed channel");
    weft_panic_clear(&info);
    weft_chan_unref(ch);
}

TEST(misuse_can_be_tried)
{
    /* Goal: what weft itself raises is a panic like any other. */
    everywhere(misuse, "");
}

/* ---- nesting ---- */

static void tries_again(void *arg)
{
    weft_panic_info info;
    CHECK(weft_try(panics, arg, &info));
    CHECK_STR_EQ(info.message, "value 42 of many");
    weft_panic_clear(&info);
    note(letter(arg, ','));
    weft_panic("second");
}

static void nested(struct notes *notes)
{
    weft_panic_info info;
    CHECK(weft_try(tries_again, notes, &info));
    CHECK_STR_EQ(info.message, "second");
    weft_panic_clear(&info);
}

TEST(the_innermost_try_catches)
{
    /* Goal: one catches, the next is for what comes after it. */
    everywhere(nested, "yx,");
}

static void panics_in_deferred(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'c'));
    weft_panic("B");
}

static void replaced(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'a'));
    WEFT_DEFER(panics_in_deferred, arg);
    WEFT_DEFER(note, letter(arg, 'b'));
    weft_panic("A");
}

static void replaces(struct notes *notes)
{
    weft_panic_info info;
    CHECK(weft_try(replaced, notes, &info));
    CHECK_STR_EQ(info.message, "B");
    CHECK_STR_HAS(info.trace, "panics_in_deferred");
    weft_panic_clear(&info);
    CHECK(!weft_try(quiet, notes, NULL));
    CHECK(weft_try(replaced, notes, NULL));
}

TEST(a_panic_in_a_deferred_call_replaces)
{
    /* Goal: the later one is what the try tells; the deferred calls that are left run, each once. */
    everywhere(replaces, "bcaabbca");
}

static void tries_in_deferred(void *arg)
{
    weft_panic_info info;
    CHECK(weft_try(replaced, arg, &info));
    CHECK_STR_EQ(info.message, "B");
    weft_panic_clear(&info);
    CHECK(!weft_try(quiet, arg, NULL));
    note(letter(arg, ';'));
}

static void deferred_tries(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'z'));
    WEFT_DEFER(tries_in_deferred, arg);
    weft_panic("outer");
}

static void while_panicking(struct notes *notes)
{
    weft_panic_info info;
    CHECK(weft_try(deferred_tries, notes, &info));
    CHECK_STR_EQ(info.message, "outer");
    weft_panic_clear(&info);
}

TEST(a_try_in_a_deferred_call_catches_its_own)
{
    /* Goal: what is raised in it and nothing else: the panic that the call runs for goes on (PN-02). */
    everywhere(while_panicking, "bcaab;z");
}

static void panics_again(void *arg)
{
    int *left = arg;
    if (--*left < 0)
        return;
    WEFT_DEFER(panics_again, arg);
    weft_panic("%d left", *left);
}

static void long_chain(struct notes *notes)
{
    weft_panic_info info;
    int left = 20;
    (void)notes;
    CHECK(weft_try(panics_again, &left, &info));
    CHECK_STR_EQ(info.message, "0 left");
    weft_panic_clear(&info);
}

TEST(a_long_chain_of_panics)
{
    /* Goal: panics in deferred calls of panics in deferred calls, 20 deep. */
    everywhere(long_chain, "");
}

/* ---- what is as before ---- */

static void rounds_up(void *arg)
{
    (void)arg;
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    weft_panic("rounded");
}

static void rounding(struct notes *notes)
{
    CHECK(weft_try(rounds_up, notes, NULL));
    CHECK_EQ(fegetround(), FE_TONEAREST);
}

TEST(the_rounding_mode_is_the_callers)
{
    everywhere(rounding, "");
}

/* Values in every register that a callee preserves, as far as the compiler can be made to. */
static TEST_NOINLINE int64_t keeps(struct notes *notes, const int64_t *v, const double *d)
{
    int64_t a = v[0] * 3, b = v[1] * 5, c = v[2] * 7, e = v[3] * 11, f = v[4] * 13, g = v[5] * 17;
    double x = d[0] * 3, y = d[1] * 5;
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(e), "+r"(f));
    bool caught = weft_try(begins_deep, notes, NULL);
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(e), "+r"(f));
    return a + b + c + e + f + g + (int64_t)(x + y) + caught;
}

static void registers(struct notes *notes)
{
    static const int64_t v[] = {1, 2, 3, 4, 5, 6};
    static const double d[] = {7, 8};
    CHECK_EQ(keeps(notes, v, d), 3 + 10 + 21 + 44 + 65 + 102 + 21 + 40 + 1);
}

TEST(registers_are_the_callers)
{
    everywhere(registers, "yx543210");
}

/* ---- texts ---- */

static void says_nothing(void *arg)
{
    (void)arg;
    weft_panic("%s", "");
}

static void says_much(void *arg)
{
    weft_panic("%s", (const char *)arg);
}

static void frees(void *arg)
{
    char *text = *(char **)arg;
    memset(text, '#', strlen(text));
    free(text);
}

static void says_what_it_frees(void *arg)
{
    WEFT_DEFER(frees, arg);
    weft_panic("about %s", *(char **)arg);
}

static char much[3000]; /* made before it is used by several */

static void texts(struct notes *notes)
{
    weft_panic_info info;
    char *text = strdup("to go");
    (void)notes;
    CHECK(weft_try(says_nothing, NULL, &info));
    CHECK_STR_EQ(info.message, "");
    CHECK(info.trace);
    weft_panic_clear(&info);
    CHECK(weft_try(says_much, much, &info));
    CHECK_EQ(strlen(info.message), sizeof info.message - 1);
    CHECK_EQ(strncmp(info.message, much, sizeof info.message - 1), 0);
    weft_panic_clear(&info);
    CHECK(weft_try(says_much, "one\ntwo", &info));
    CHECK_STR_EQ(info.message, "one\ntwo");
    weft_panic_clear(&info);
    CHECK(weft_try(says_what_it_frees, &text, &info));
    CHECK_STR_EQ(info.message, "about to go");
    weft_panic_clear(&info);
}

TEST(the_message)
{
    /* Goal: empty, cut off at 255 bytes, as it was when it was raised; newlines are the report's business. */
    memset(much, 'm', sizeof much - 1);
    everywhere(texts, "");
}

/* ---- goroutines ---- */

static void wanders(void *arg)
{
    WEFT_DEFER(note, letter(arg, 'd'));
    for (int i = 0; i < 20; i++)
        weft_sleep(i % 2 ? 0 : 1000);
    weft_panic("wandered");
}

static void parks_and_notes(void *arg)
{
    weft_sleep(1000);
    weft_yield();
    note(arg);
}

static void wanders_on(void *arg)
{
    WEFT_DEFER(parks_and_notes, letter(arg, 'f'));
    WEFT_DEFER(parks_and_notes, letter(arg, 'e'));
    wanders(arg);
}

static void moved(struct notes *notes)
{
    for (int i = 0; i < 3; i++) {
        weft_panic_info info;
        CHECK(weft_try(wanders_on, notes, &info));
        CHECK_STR_EQ(info.message, "wandered");
        weft_panic_clear(&info);
    }
}

TEST(threads_change_meanwhile)
{
    /* Goal: parking in fn and in the deferred calls that a panic runs, on whatever thread then. Method: five at once. */
    everywhere(moved, "defdefdef");
}

static void panics_or_not(void *arg)
{
    weft_yield();
    if ((intptr_t)arg % 2)
        weft_panic("odd: %d", (int)(intptr_t)arg);
}

static void tries_often(void *arg)
{
    atomic_int *count = arg;
    for (intptr_t i = 0; i < 64; i++) {
        bool odd = weft_try(panics_or_not, (void *)i, NULL);
        CHECK_EQ(odd, i % 2);
        atomic_fetch_add(count, odd);
    }
}

static void many(void *arg)
{
    weft_waitgroup done = {0};
    atomic_int count = 0;
    int n = test_scale(500);
    (void)arg;
    for (int i = 0; i < n; i++)
        REQUIRE(weft_waitgroup_go(&done, tries_often, &count) == 0);
    weft_waitgroup_wait(&done);
    CHECK_EQ(atomic_load(&count), 32 * n);
}

TEST(many_goroutines_try_at_once)
{
    CHECK_EQ(test_run(many, NULL), 0);
}

static void often(struct notes *notes)
{
    int n = test_scale(20000);
    for (int i = 0; i < n; i++) {
        struct notes scratch = {0};
        CHECK(weft_try(begins_deep, &scratch, NULL));
    }
    note(letter(notes, '.'));
}

TEST(nothing_is_left_of_a_panic)
{
    /* Goal: neither memory nor a place in a list: a goroutine may panic for ever. */
    everywhere(often, ".");
}

static TEST_NOINLINE void tries_deep(int depth)
{
    struct notes scratch = {0};
    if (depth > 0)
        tries_deep(depth - 1);
    CHECK(weft_try(panics, &scratch, NULL));
}

static void deep(struct notes *notes)
{
    (void)notes;
    tries_deep(15);
}

TEST(tries_within_frames)
{
    everywhere(deep, "");
}
