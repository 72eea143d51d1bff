/* SPDX-License-Identifier: Apache-2.0
 * 5-heartbeat-test - chapter 5: heartbeats make a goroutine testable. A test that waits for its first sign of life needs no
 * guess at how long it takes to start; and one that watches it beat sees a goroutine that dies after two beats as
 * unhealthy within the timeout, while it neither delivers nor closes anything. */
#include <stdio.h>
#include <weft/weft.h>

#define TIMEOUT (20 * WEFT_MILLISECOND)
enum { TRIES = 50 };

struct work {
    weft_chan *done, *heartbeat, *results;
    const int *numbers;
    int n, beats; /* it dies after so many beats; 0: it doesn't */
};

static void beat(struct work *w)
{
    (void)WEFT_SELECT(WEFT_SEND(w->heartbeat, NULL), WEFT_DEFAULT);
}

static void do_work(void *arg)
{
    struct work w = *(struct work *)arg;
    weft_sleep(2 * WEFT_MILLISECOND); /* it takes some time to begin */
    if (w.beats == 0) {
        weft_chan_send(w.heartbeat, NULL);
        for (int i = 0; i < w.n; i++)
            weft_chan_send(w.results, &w.numbers[i]);
        weft_chan_close(w.results);
    }
    for (int i = 0; i < w.beats; i++) {
        beat(&w);
        weft_sleep(TIMEOUT / 10);
    }
    weft_chan_recv(w.done, NULL); /* dead, but for this */
    weft_chan_unref(w.heartbeat);
    weft_chan_unref(w.results);
    weft_chan_unref(w.done);
}

static struct work start(weft_chan *done, const int *numbers, int n, int beats)
{
    struct work w = {.done = done,
                     .heartbeat = weft_chan_new(0, 1),
                     .results = weft_chan_new(sizeof(int), 0),
                     .numbers = numbers,
                     .n = n,
                     .beats = beats};
    struct work theirs = w;
    weft_chan_ref(theirs.done), weft_chan_ref(theirs.heartbeat), weft_chan_ref(theirs.results);
    weft_go_copy(do_work, &theirs, sizeof theirs);
    return w;
}

static void forget(struct work *w)
{
    weft_chan_unref(w->heartbeat);
    weft_chan_unref(w->results);
}

static void test_results(weft_chan *done)
{
    static const int numbers[] = {0, 1, 2, 3, 5};
    struct work w = start(done, numbers, 5, 0);
    int i = 0, wrong = 0;
    weft_chan_recv(w.heartbeat, NULL);
    WEFT_RANGE(int, v, w.results)
    {
        wrong += v != numbers[i];
        i++;
    }
    printf("%s\n", i == 5 && wrong == 0 ? "ok: all numbers returned" : "FAIL");
    forget(&w);
}

/* How many beats were heard of one that dies after two; *silent: for how long there was none then. */
static int listen_to_the_end(weft_chan *done, int64_t *silent)
{
    struct work w = start(done, NULL, 0, 2);
    int64_t last = weft_now();
    int heard = 0;
    while (WEFT_SELECT(WEFT_RECV(w.heartbeat, NULL), WEFT_RECV(w.results, NULL),
                       WEFT_AFTER(TIMEOUT)) == 0) {
        heard++;
        last = weft_now();
    }
    *silent = weft_now() - last;
    forget(&w);
    return heard;
}

/* On a machine that is busy with something else one beat may fall on another, or the listener be late, now and then. */
static void test_health(weft_chan *done)
{
    int64_t silent = 0;
    int heard = 0;
    for (int tries = 0; tries < TRIES && (heard < 2 || silent >= 2 * TIMEOUT); tries++) {
        heard = listen_to_the_end(done, &silent);
        if (heard > 2 || silent < TIMEOUT)
            break;
    }
    printf("%d beats, then none for %lld ms\n", heard, (long long)(silent / WEFT_MILLISECOND));
    printf("%s\n", heard == 2 && silent >= TIMEOUT && silent < 2 * TIMEOUT
                       ? "worker goroutine is not healthy!"
                       : "FAIL");
}

static void test(void *arg)
{
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0);
    test_results(done);
    test_health(done);
    weft_chan_close(done);
    weft_chan_unref(done);
}

int main(void)
{
    return weft_run(test, NULL, NULL);
}
