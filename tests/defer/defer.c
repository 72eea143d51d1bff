/* SPDX-License-Identifier: Apache-2.0
 * defer.c - WEFT_DEFER: order, arguments, blocks. (With goexit: sched/goexit.c; with a panic: death/.) */
#include "everywhere.h"

static void reversed(struct notes *notes)
{
    {
        WEFT_DEFER(note, letter(notes, 'a'));
        WEFT_DEFER(note, letter(notes, 'b'));
        WEFT_DEFER(note, letter(notes, 'c'));
        note(letter(notes, '-'));
    }
    note(letter(notes, '.'));
}

TEST(last_in_first_out)
{
    /* Goal: deferred calls run at the end of the block, in reverse (PN-01). Method: letters. */
    everywhere(reversed, "-cba.");
}

static void fixed(struct notes *notes)
{
    struct letter first = {notes, 'a'}, second = {notes, 'b'};
    struct letter *which = &first;
    weft_fn fn = note;
    {
        WEFT_DEFER(fn, which);
        which = &second;
        WEFT_DEFER(fn, which++);
        fn = NULL;
        which = NULL;
    }
    (void)fn;
    (void)which;
}

TEST(arguments_are_fixed_at_once)
{
    /* Goal: function and argument are evaluated where the call is deferred, once (PN-01).
     * Method: change both afterwards. */
    everywhere(fixed, "ba");
}

static void nested(struct notes *notes)
{
    WEFT_DEFER(note, letter(notes, '1'));
    {
        WEFT_DEFER(note, letter(notes, 'a'));
        {
            WEFT_DEFER(note, letter(notes, 'b'));
            {
                WEFT_DEFER(note, letter(notes, 'c'));
            }
            WEFT_DEFER(note, letter(notes, 'd'));
        }
        note(letter(notes, '-'));
        WEFT_DEFER(note, letter(notes, 'e'));
    }
}

TEST(blocks_nest)
{
    /* Goal: each block runs its own. Method: four levels. */
    everywhere(nested, "cdb-ea1");
}

static void loops(struct notes *notes)
{
    for (int i = 0; i < 3; i++) {
        WEFT_DEFER(note, letter(notes, 'a' + i));
        note(letter(notes, 'A' + i));
    }
    for (int i = 0; i < 9; i++) {
        WEFT_DEFER(note, letter(notes, '0' + i));
        if (i == 1)
            continue;
        if (i == 3)
            break;
        note(letter(notes, '-'));
    }
}

TEST(loop_bodies_are_blocks)
{
    /* Goal: the body of a loop runs its deferred calls each time round, also on continue and break.
     * Method: letters. */
    everywhere(loops, "AaBbCc-01-23");
}

static int leaves_early(struct notes *notes, int how)
{
    WEFT_DEFER(note, letter(notes, 'x'));
    if (how == 0)
        return 0;
    {
        WEFT_DEFER(note, letter(notes, 'y'));
        if (how == 1)
            return 1;
        if (how == 2)
            goto out;
        WEFT_DEFER(note, letter(notes, 'z'));
    }
    note(letter(notes, '.'));
out:
    return how;
}

static void early(struct notes *notes)
{
    for (int how = 0; how < 4; how++) {
        CHECK_EQ(leaves_early(notes, how), how);
        note(letter(notes, '|'));
    }
}

TEST(return_and_goto_leave_blocks)
{
    /* Goal: every way out of a block runs what was deferred until then. Method: four ways. */
    everywhere(early, "x|yx|yx|zy.x|");
}

static void defers(void *arg)
{
    struct letter *l = arg;
    WEFT_DEFER(note, letter(l->notes, l->letter + 1));
    WEFT_DEFER(note, letter(l->notes, l->letter + 2));
    note(l);
}

static void deferred_defers(struct notes *notes)
{
    {
        WEFT_DEFER(note, letter(notes, 'z'));
        WEFT_DEFER(defers, letter(notes, 'a'));
    }
    note(letter(notes, '.'));
}

TEST(deferred_calls_may_defer)
{
    /* Goal: a deferred call is an ordinary call. Method: one that defers two. */
    everywhere(deferred_defers, "acbz.");
}

static void yielding_note(void *arg)
{
    weft_yield();
    note(arg);
    weft_sleep(1000);
}

static void interleaved(struct notes *notes)
{
    for (int i = 0; i < 3; i++) {
        WEFT_DEFER(note, letter(notes, 'a'));
        weft_yield();
        WEFT_DEFER(yielding_note, letter(notes, 'b'));
        weft_sleep(1000);
    }
}

TEST(each_goroutine_has_its_own)
{
    /* Goal: deferred calls of goroutines that take turns, and park in them, don't mix. Method: five
     * at once that yield and sleep between and in them. */
    everywhere(interleaved, "bababa");
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static TEST_NOINLINE void recurse(int depth, int *counted)
{
    WEFT_DEFER(count, counted);
    if (depth > 1)
        recurse(depth - 1, counted);
}

static void many(void *arg)
{
    int counted = 0;
    (void)arg;
    recurse(200, &counted);
    CHECK_EQ(counted, 200);
    for (int i = 0; i < 100000; i++) {
        WEFT_DEFER(count, &counted);
    }
    CHECK_EQ(counted, 100200);
}

TEST(many_deferred_calls)
{
    /* Goal: no limit on how many are pending, nothing kept of those that ran. Method: 200 frames;
     * 100 000 times round a loop. */
    many(NULL);
    CHECK_EQ(test_run(many, NULL), 0);
}

/* ---- threads that end without making their deferred calls ---- */

static atomic_int made_late;

static void is_made_late(void *arg)
{
    (void)arg;
    atomic_fetch_add(&made_late, 1);
}

static void raises(void *arg)
{
    (void)arg;
    weft_panic("raised");
}

/* What longjmp leaves of a block that has deferred a call; the frame, which is gone in fact, is here to be looked at. */
static void *leaves_a_call(void *arg)
{
    static weft_deferred of_dead_frame;
    (void)weft_defer_enter_(&of_dead_frame, is_made_late, NULL);
    *(weft_deferred ***)arg = weft_defer_list();
    return NULL;
}

static void *finds_none(void *arg)
{
    weft_deferred **list = weft_defer_list();
    CHECK_PTR_EQ(list,
                 *(weft_deferred ***)arg); /* it has that thread's record, or this shows nothing */
    CHECK_PTR_EQ(*list, NULL);
    CHECK(weft_try(raises, NULL, NULL));
    CHECK_PTR_EQ(*list, NULL);
    return NULL;
}

TEST(a_threads_deferred_calls_end_with_it)
{
    /* Goal: a thread that gets the record of one that has exited makes no calls of that one, though the program left them in
     * the list against the rules: their frames are gone. */
    pthread_t thread;
    weft_deferred **list = NULL;
    REQUIRE(pthread_create(&thread, NULL, leaves_a_call, &list) == 0);
    pthread_join(thread, NULL);
    REQUIRE(pthread_create(&thread, NULL, finds_none, &list) == 0);
    pthread_join(thread, NULL);
    CHECK_EQ(atomic_load(&made_late), 0);
}
