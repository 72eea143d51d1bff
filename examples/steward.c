/* SPDX-License-Identifier: Apache-2.0
 * steward.c - chapter 5 of "Concurrency in Go": goroutines that live long are looked after by a steward, which
 * replaces them when they show no sign of life. Two wards: one does nothing at all, and is started again and again; the
 * other sends the numbers of a list, but dies of each negative one. Each of its lives hands over a channel of its own; a
 * bridge makes one stream of them, in which nothing is missing. A second is 5 ms here. */
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

#define SECOND (5 * WEFT_MILLISECOND)

static void drop(weft_chan *ch)
{
    weft_chan_close(ch);
    weft_chan_unref(ch);
}

/* ---- the irresponsible ward ---- */

static _Atomic(int) irresponsible_wards;

static void do_nothing(void *arg)
{
    weft_chan *done = *(weft_chan **)arg;
    weft_chan_recv(done, NULL);
    weft_chan_unref(done);
}

/* It never beats. */
static weft_chan *start_irresponsible(weft_chan *done, int64_t pulse_ns, void *arg)
{
    (void)pulse_ns, (void)arg;
    irresponsible_wards++;
    WEFT_GO(do_nothing, weft_chan *, weft_chan_ref(done));
    return NULL;
}

static void look_after_nobody(void)
{
    weft_chan *done = weft_chan_new(0, 0);
    weft_chan *heartbeat = weft_steward(done, SECOND, 0, start_irresponsible, NULL);
    while (irresponsible_wards < 4) /* the first and three more */
        weft_sleep(SECOND);
    drop(done);
    while (weft_chan_recv(heartbeat, NULL))
        ;
    weft_chan_unref(heartbeat);
    printf("an irresponsible ward was restarted three times\n");
}

/* ---- the ward that fails on bad input ---- */

static const int list[] = {1, 2, -1, 3, 4, -2, 5, -3, -4, 6, 7, 8};
enum { ITEMS = sizeof list / sizeof list[0], GOOD = 8 };

struct sender {
    weft_chan *done, *streams; /* of channels of int */
    size_t next;               /* in the list; of the ward that lives */
    _Atomic(int) lives;
};

struct life {
    struct sender *sender;
    weft_chan *done, *stream;
    weft_pulse *pulse;
    int64_t pulse_ns;
};

/* Give one number; false: the end. */
static bool give(struct life *life, int v)
{
    for (;;) {
        switch (WEFT_SELECT(WEFT_RECV(life->done, NULL), WEFT_SEND(life->stream, &v),
                            WEFT_AFTER(life->pulse_ns))) {
        case 0:
            return false;
        case 1:
            return true;
        default:
            weft_pulse_beat(life->pulse);
        }
    }
}

static void send_list(void *arg)
{
    struct life life = *(struct life *)arg;
    struct sender *sender = life.sender;
    bool goes_on = true;
    while (goes_on && sender->next < ITEMS) {
        int v = list[sender->next++];
        goes_on = v >= 0 && give(&life, v);
    }
    drop(life.stream);
    if (sender->next == ITEMS) /* nothing is left: no reason to be replaced */
        weft_chan_recv(life.done, NULL);
    weft_pulse_unref(life.pulse);
    weft_chan_unref(life.done);
}

static weft_chan *start_sender(weft_chan *done, int64_t pulse_ns, void *arg)
{
    struct sender *sender = arg;
    struct life life = {.sender = sender,
                        .done = weft_chan_ref(done),
                        .stream = weft_chan_new(sizeof(int), 0),
                        .pulse = weft_pulse_new(0),
                        .pulse_ns = pulse_ns};
    weft_chan *heartbeat = weft_chan_ref(weft_pulse_chan(life.pulse));
    weft_chan *stream = weft_chan_ref(life.stream);
    sender->lives++;
    if (WEFT_SELECT(WEFT_RECV(sender->done, NULL), WEFT_SEND(sender->streams, &stream)) == 0)
        weft_chan_unref(stream);
    weft_go_copy(send_list, &life, sizeof life);
    return heartbeat;
}

static void look_after_sender(void)
{
    static struct sender sender; /* the last life may look at it when this has returned */
    sender.done = weft_chan_new(0, 0);
    sender.streams = weft_chan_new(sizeof(weft_chan *), 0);
    weft_chan *numbers = weft_bridge(sender.done, weft_chan_ref(sender.streams), sizeof(int));
    weft_chan *heartbeat = weft_steward(sender.done, WEFT_HOUR, 0, start_sender, &sender);
    for (int i = 0, v; i < GOOD && weft_chan_recv(numbers, &v); i++)
        printf("Received: %d\n", v);
    printf("%d lives\n", sender.lives);
    drop(sender.done);
    while (weft_chan_recv(numbers, NULL) || weft_chan_recv(heartbeat, NULL))
        ;
    weft_chan_unref(numbers);
    weft_chan_unref(heartbeat);
    weft_chan_unref(sender.streams);
}

static void look_after(void *arg)
{
    (void)arg;
    look_after_nobody();
    look_after_sender();
}

int main(void)
{
    return weft_run(look_after, NULL, NULL);
}
