/* SPDX-License-Identifier: Apache-2.0
 * 3-cond - chapter 3, Cond: ten items go through a queue that holds two. Who finds it full waits for a signal instead of asking
 * again and again, and looks anew when it comes: it says that something has happened, not what. */
#include <stdio.h>
#include <weft/weft.h>

enum { ROOM = 2, ITEMS = 10 };

static weft_mutex mutex;
static weft_cond removed = WEFT_COND_INIT(&mutex);
static int queued, most_queued;

static void remove_from_queue(void *arg)
{
    (void)arg;
    weft_sleep(10 * WEFT_MILLISECOND);
    weft_mutex_lock(&mutex);
    queued--;
    printf("Removed from queue\n");
    weft_mutex_unlock(&mutex);
    weft_cond_signal(&removed);
}

static void fill_queue(void *arg)
{
    int added = 0;
    (void)arg;
    for (int i = 0; i < ITEMS; i++) {
        weft_mutex_lock(&mutex);
        while (queued == ROOM)
            weft_cond_wait(&removed);
        printf("Adding to queue\n");
        added++;
        queued++;
        most_queued = queued > most_queued ? queued : most_queued;
        weft_go(remove_from_queue, NULL);
        weft_mutex_unlock(&mutex);
    }
    weft_mutex_lock(&mutex);
    printf("%d added, %s queued at once, %s left\n", added,
           most_queued <= ROOM ? "no more than two" : "too many",
           queued <= ROOM ? "at most two" : "too many");
    weft_mutex_unlock(&mutex);
}

int main(void)
{
    return weft_run(fill_queue, NULL, NULL);
}
