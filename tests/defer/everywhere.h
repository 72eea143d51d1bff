/* SPDX-License-Identifier: Apache-2.0
 * everywhere.h - one case on every kind of flow of control, and letters that tell in which order its calls ran. */
#ifndef WEFT_TEST_EVERYWHERE_H
#define WEFT_TEST_EVERYWHERE_H

#include "../test.h"

struct letter {
    struct notes *notes;
    char letter;
};

struct notes {
    char text[64];
    int used;
    struct letter letters[64]; /* arguments; they must live until the deferred calls have run */
    int letters_used;
};

static void note(void *arg)
{
    struct letter *l = arg;
    l->notes->text[l->notes->used++] = l->letter;
}

static struct letter *letter(struct notes *notes, int letter)
{
    struct letter *l = &notes->letters[notes->letters_used++ % 64];
    *l = (struct letter){notes, (char)letter};
    return l;
}

/* Each case runs outside of a run, as main, as a goroutine, in a blocking section and on a foreign thread. */
struct run {
    void (*fn)(struct notes *notes);
    const char *expected;
};

static void run_case(void *arg)
{
    struct run *run = arg;
    struct notes notes = {0};
    run->fn(&notes);
    CHECK_STR_EQ(notes.text, run->expected);
}

static void *run_case_on_thread(void *arg)
{
    run_case(arg);
    return NULL;
}

static void run_case_beside(void *arg)
{
    weft_waitgroup wg = {0};
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, run_case_on_thread, arg) == 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_waitgroup_go(&wg, run_case, arg), 0);
    run_case(arg);
    weft_blocking(run_case_on_thread, arg);
    weft_waitgroup_wait(&wg);
    pthread_join(thread, NULL);
}

TEST_UNUSED static void everywhere(void (*fn)(struct notes *), const char *expected)
{
    struct run run = {fn, expected};
    run_case(&run);
    CHECK_EQ(test_run(run_case_beside, &run), 0);
    run_case(&run);
}

#endif
