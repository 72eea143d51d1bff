/* SPDX-License-Identifier: Apache-2.0
 * 3-cond-broadcast - chapter 3, Cond: a button that several wait for to be clicked. One broadcast wakes them all; a closed
 * channel could do so only once. */
#include <stdio.h>
#include <weft/weft.h>

static weft_mutex mutex;
static weft_cond clicked = WEFT_COND_INIT(&mutex);
static int handlers_run;

struct subscriber {
    const char *text;
    weft_waitgroup *running, *done;
};

/* Takes the mutex before it says that it runs: whoever has the mutex after that finds it waiting. */
static void wait_for_click(void *arg)
{
    struct subscriber *self = arg;
    weft_mutex_lock(&mutex);
    weft_waitgroup_done(self->running);
    weft_cond_wait(&clicked);
    printf("%s\n", self->text);
    handlers_run++;
    weft_mutex_unlock(&mutex);
    weft_waitgroup_done(self->done);
}

static void click(void *arg)
{
    static const char *const texts[] = {"Maximizing window.", "Displaying annoying dialog box!",
                                        "Mouse clicked."};
    weft_waitgroup running = {0}, done = {0};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        weft_waitgroup_add(&running, 1);
        weft_waitgroup_add(&done, 1);
        WEFT_GO(wait_for_click, struct subscriber, texts[i], &running, &done);
    }
    weft_waitgroup_wait(&running);
    weft_mutex_lock(&mutex);
    weft_cond_broadcast(&clicked);
    weft_mutex_unlock(&mutex);
    weft_waitgroup_wait(&done);
    printf("%d subscribers have run\n", handlers_run);
}

int main(void)
{
    return weft_run(click, NULL, NULL);
}
