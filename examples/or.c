/* SPDX-License-Identifier: Apache-2.0
 * or.c - the or-channel (chapter 4 of "Concurrency in Go"): a channel that is closed as soon as any of several is. By
 * hand it is made by recursion: each goroutine watches three, and the `or` of the rest with its own channel, so that the tree
 * falls together. weft_or does it with one goroutine. Scaled: the signals come after 2 h, 5 min, 10 ms, 1 h and 1 min.
 * Those that are no longer waited for are told to stop: who starts a goroutine sees to it that it ends. */
#include <weft/weft.h>

#include <stdio.h>
#include <string.h>

enum { SIGNALS_MAX = 8, TRIES = 20 };
#define FIRST (10 * WEFT_MILLISECOND)
#define ABOUT                                                                                      \
    (5 * FIRST) /* what a machine takes that has something else to do; the next signal is far */

struct watch {
    size_t n;
    weft_chan *any, *of[SIGNALS_MAX];
};

static weft_chan *or_channel(weft_chan *const *of, size_t n);

/* Takes over its references. */
static void watch(void *arg)
{
    struct watch *w = arg;
    if (w->n == 2) {
        WEFT_SELECT(WEFT_RECV(w->of[0], NULL), WEFT_RECV(w->of[1], NULL));
    } else {
        weft_chan *rest[SIGNALS_MAX];
        size_t n = w->n - 3;
        memcpy(rest, w->of + 3, n * sizeof rest[0]);
        rest[n] = w->any;
        weft_chan *others = or_channel(rest, n + 1);
        WEFT_SELECT(WEFT_RECV(w->of[0], NULL), WEFT_RECV(w->of[1], NULL), WEFT_RECV(w->of[2], NULL),
                    WEFT_RECV(others, NULL));
        weft_chan_unref(others);
    }
    weft_chan_close(w->any);
    weft_chan_unref(w->any);
    for (size_t i = 0; i < w->n; i++)
        weft_chan_unref(w->of[i]);
}

/* Borrows them. NULL for none. */
static weft_chan *or_channel(weft_chan *const *of, size_t n)
{
    struct watch w = {.n = n};
    if (n <= 1)
        return n ? weft_chan_ref(of[0]) : NULL;
    w.any = weft_chan_new(0, 0);
    for (size_t i = 0; i < n; i++)
        w.of[i] = weft_chan_ref(of[i]);
    weft_chan_ref(w.any);
    weft_go_copy(watch, &w, sizeof w);
    return w.any;
}

struct signal_after {
    weft_chan *stop, *signal;
    int64_t ns;
};

static void signal_later(void *arg)
{
    struct signal_after *s = arg;
    WEFT_SELECT(WEFT_RECV(s->stop, NULL), WEFT_AFTER(s->ns));
    weft_chan_close(s->signal);
    weft_chan_unref(s->signal);
    weft_chan_unref(s->stop);
}

static weft_chan *sig(weft_chan *stop, int64_t after_ns)
{
    weft_chan *signal = weft_chan_new(0, 0);
    WEFT_GO(signal_later, struct signal_after, weft_chan_ref(stop), weft_chan_ref(signal),
            after_ns);
    return signal;
}

/* Closes when any of them does. Borrows them. */
typedef weft_chan *(*any_of)(weft_chan *const *of, size_t n);

static int64_t wait_for(any_of any_of)
{
    weft_chan *stop = weft_chan_new(0, 0);
    int64_t begin = weft_now();
    weft_chan *signals[] = {sig(stop, 2 * WEFT_HOUR), sig(stop, 5 * WEFT_MINUTE), sig(stop, FIRST),
                            sig(stop, WEFT_HOUR), sig(stop, WEFT_MINUTE)};
    weft_chan *any = any_of(signals, 5);
    weft_chan_recv(any, NULL);
    int64_t ns = weft_now() - begin;
    printf("done after %lld ms\n", (long long)(ns / WEFT_MILLISECOND));
    weft_chan_unref(any);
    for (int i = 0; i < 5; i++)
        weft_chan_unref(signals[i]);
    weft_chan_close(stop);
    weft_chan_unref(stop);
    return ns;
}

/* weft_or takes the channels over, each with a reference. */
static weft_chan *library_or(weft_chan *const *of, size_t n)
{
    for (size_t i = 0; i < n; i++)
        weft_chan_ref(of[i]);
    return weft_or(of, n);
}

static void compare(const char *way, any_of any_of)
{
    int64_t ns = 2 * ABOUT;
    for (int tries = 0; tries < TRIES && ns >= ABOUT; tries++)
        ns = wait_for(any_of);
    printf("%s: %s\n", way,
           ns < FIRST   ? "too soon"
           : ns < ABOUT ? "with the first of them"
                        : "late");
}

static void wait_for_any(void *arg)
{
    (void)arg;
    compare("by hand", or_channel);
    compare("weft_or", library_or);
}

int main(void)
{
    return weft_run(wait_for_any, NULL, NULL);
}
