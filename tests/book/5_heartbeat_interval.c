/* SPDX-License-Identifier: Apache-2.0
 * 5-heartbeat-interval - chapter 5, heartbeats: a goroutine gives a pulse every 10 ms, whether it has work or nobody takes its
 * results; whoever hears none for a while knows that it isn't well, and needn't wait for results that never come. A
 * pulse waits for nobody. By hand, between its work, and with weft_pulse, which beats while the goroutine keeps it. Scaled down
 * by 100; it is stopped after ten pulses, as the book's is. */
#include <stdio.h>
#include <weft/weft.h>

#define PULSE (10 * WEFT_MILLISECOND)
enum { INTERVALS = 10 };

struct ward {
    weft_chan *done, *heartbeat, *results;
    int turns;         /* it dies after so many, without a word; -1: never */
    weft_pulse *pulse; /* or NULL */
};

/* ---- by hand ---- */

static void beat(struct ward *w)
{
    WEFT_SELECT(WEFT_SEND(w->heartbeat, NULL), WEFT_DEFAULT);
}

/* It goes on beating meanwhile. False: done is closed. */
static bool give(struct ward *w, weft_chan *pulse, int64_t result)
{
    for (;;) {
        switch (WEFT_SELECT(WEFT_RECV(w->done, NULL), WEFT_RECV(pulse, NULL),
                            WEFT_SEND(w->results, &result))) {
        case 0:
            return false;
        case 1:
            beat(w);
            break;
        case 2:
            return true;
        }
    }
}

static void take_turns(struct ward *w, weft_chan *pulse, weft_chan *work)
{
    for (int64_t due; w->turns != 0; w->turns -= w->turns > 0) {
        switch (
            WEFT_SELECT(WEFT_RECV(w->done, NULL), WEFT_RECV(pulse, NULL), WEFT_RECV(work, &due))) {
        case 0:
            return;
        case 1:
            beat(w);
            break;
        case 2:
            if (!give(w, pulse, due))
                return;
            break;
        }
    }
}

static void do_work(void *arg)
{
    struct ward *w = arg;
    weft_ticker *pulse = weft_ticker_new(PULSE), *work = weft_ticker_new(2 * PULSE);
    take_turns(w, weft_ticker_chan(pulse), weft_ticker_chan(work));
    weft_ticker_unref(pulse);
    weft_ticker_unref(work);
    if (w->turns) {
        weft_chan_close(w->heartbeat);
        weft_chan_close(w->results);
    }
    weft_chan_unref(w->done);
    weft_chan_unref(w->heartbeat);
    weft_chan_unref(w->results);
}

/* ---- with weft_pulse ---- */

static void do_work_pulsing(void *arg)
{
    struct ward *w = arg;
    weft_ticker *work = weft_ticker_new(2 * PULSE);
    int64_t due;
    while (WEFT_SELECT(WEFT_RECV(w->done, NULL), WEFT_RECV(weft_ticker_chan(work), &due)) == 1 &&
           WEFT_SELECT(WEFT_RECV(w->done, NULL), WEFT_SEND(w->results, &due)) == 1)
        ;
    weft_ticker_unref(work);
    weft_pulse_unref(w->pulse); /* the last: closes the heartbeat */
    weft_chan_close(w->results);
    weft_chan_unref(w->done);
    weft_chan_unref(w->heartbeat);
    weft_chan_unref(w->results);
}

/* ---- whoever looks after it ---- */

/* Look after a ward until it has given some results, then stop it; or until nothing was heard of it for so long. */
static void watch(weft_fn work, weft_pulse *pulse, int turns, int64_t patience)
{
    int pulses = 0, results = 0;
    bool well = true, open = true;
    weft_chan *done = weft_chan_new(0, 0), *values = weft_chan_new(sizeof(int64_t), 0);
    weft_chan *heartbeat = pulse ? weft_chan_ref(weft_pulse_chan(pulse)) : weft_chan_new(0, 0);
    struct ward ward = {.done = weft_chan_ref(done),
                        .heartbeat = weft_chan_ref(heartbeat),
                        .results = weft_chan_ref(values),
                        .turns = turns,
                        .pulse = pulse};
    weft_go_copy(work, &ward, sizeof ward);
    while (open && well) {
        switch (WEFT_SELECT(WEFT_RECV_OK(heartbeat, NULL, &open), WEFT_RECV_OK(values, NULL, &open),
                            WEFT_AFTER(patience))) {
        case 0:
            pulses += open;
            break;
        case 1:
            results += open;
            break;
        case 2:
            well = false;
            printf("worker goroutine is not healthy!\n");
            break;
        }
        if (pulses >= INTERVALS && results >= 3 && done) {
            printf("pulses and results\n");
            weft_chan_close(done);
            weft_chan_unref(done);
            done = NULL;
        }
    }
    if (!open)
        printf("it has stopped\n");
    weft_chan_unref(done);
    weft_chan_unref(heartbeat);
    weft_chan_unref(values);
}

static void look_after(void *arg)
{
    (void)arg;
    watch(do_work, NULL, -1, WEFT_MINUTE);
    watch(do_work_pulsing, weft_pulse_new(PULSE), -1, WEFT_MINUTE);
    watch(do_work, NULL, 2, 10 * PULSE);
}

int main(void)
{
    return weft_run(look_after, NULL, NULL);
}
