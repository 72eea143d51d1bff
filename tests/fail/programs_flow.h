/* SPDX-License-Identifier: Apache-2.0
 * programs_flow.h - the programs of programs.h, which includes this, that use flow.h. A stage that is refused has started
 * nothing and has dropped what it was given: nobody else has a reference to it, and the count of goroutines is that from before when
 * done has ended the stages that were started. */
#ifndef WEFT_TESTS_FAIL_PROGRAMS_FLOW_H
#define WEFT_TESTS_FAIL_PROGRAMS_FLOW_H

#include "runtime/chan/chan.h"

static weft_chan *got(weft_chan *ch)
{
    accepted(ch ? 0 : errno_now());
    return ch;
}

/* The caller's is the last one. */
static void is_dropped(weft_chan *ch)
{
    if (ch)
        TEST_UNTIL(atomic_load(&ch->refs) == 1);
    weft_chan_unref(ch);
}

static void end_all(weft_chan *done)
{
    weft_chan_close(done);
    test_until_goroutines(1);
    is_dropped(done);
}

/* n numbers, or NULL. */
static weft_chan *first_numbers(int n)
{
    weft_chan *ch = got(weft_chan_new(sizeof(int), (size_t)n));
    for (int i = 0; ch && i < n; i++)
        weft_chan_send(ch, &i);
    if (ch)
        weft_chan_close(ch);
    return ch;
}

/* ---- one after the other ---- */

static void next_number(void *out, void *arg)
{
    *(int *)out = (*(int *)arg)++;
}

static void half_of(void *out, const void *in, void *arg)
{
    (void)arg;
    *(int *)out = *(const int *)in / 2;
}

static bool even(const void *in, void *arg)
{
    (void)arg;
    return *(const int *)in % 2 == 0;
}

/* Its elements begin with 0, 1, 2, ..., if it is there. */
static void check_numbers(weft_chan *ch, int n)
{
    for (int v = -1, i = 0; ch && i < n; i++)
        CHECK(weft_chan_recv(ch, &v) && v == i);
    weft_chan_unref(ch);
}

static void main_stages(void *arg)
{
    int next = 0, numbers[] = {0, 1, 2};
    (void)arg;
    weft_chan *done = got(weft_chan_new(0, 0));
    if (!done)
        return;
    weft_chan *all = weft_repeat_fn(done, sizeof(int), next_number, &next);
    weft_chan *evens = weft_filter(done, weft_buffer(done, all, 2), even, NULL);
    check_numbers(got(weft_take(done, weft_map(done, evens, sizeof(int), half_of, NULL), 5)), 5);
    all = weft_repeat(done, numbers, 3, sizeof numbers[0]);
    check_numbers(got(weft_or_done(done, all)), 3);
    end_all(done);
}

/* ---- several ---- */

/* How many come of n sources, which aren't there if they were refused; -1: nothing can. */
static int drain_all(weft_chan *done, weft_chan **sources, size_t n)
{
    weft_chan *there[8], *out;
    size_t m = 0;
    int elements = 0;
    for (size_t i = 0; i < n; i++)
        if (sources[i])
            there[m++] = sources[i];
    if (!(out = got(weft_fan_in(done, there, m))))
        return -1;
    while (weft_chan_recv(out, NULL))
        elements++;
    weft_chan_unref(out);
    return elements;
}

/* Both sides of a tee to the same place, one of them by workers, too: if they are refused, they take nothing. One that
 * nobody else has in the end. */
static weft_chan *use_joints(weft_chan *done, weft_chan *source, int n)
{
    weft_chan *outs[5] = {0}, **sides = &outs[3], *shared = NULL;
    int wanted = 2 * n;
    if (!accepted(weft_tee(done, source, &sides[0], &sides[1]))) {
        CHECK(!sides[0] && !sides[1]);
        wanted = 0;
    } else {
        shared = weft_chan_ref(sides[0]);
        if (!accepted(
                weft_fan_out(done, weft_chan_ref(shared), outs, 3, sizeof(int), half_of, NULL)))
            CHECK(!outs[0] && !outs[1] && !outs[2]);
    }
    int elements = drain_all(done, outs, 5);
    if (elements >= 0)
        CHECK_EQ(elements, wanted);
    return shared;
}

static void main_joints(void *arg)
{
    (void)arg;
    weft_chan *done = got(weft_chan_new(0, 0)), *source = first_numbers(7), *shared = NULL;
    if (done && source)
        shared = use_joints(done, weft_chan_ref(source), 7);
    if (done)
        end_all(done);
    is_dropped(source);
    is_dropped(shared);
}

/* What can't be delivered is dropped with the channel that it is in. */
static void main_bridge(void *arg)
{
    weft_chan *streams[3] = {0}, *all = got(weft_chan_new(sizeof(weft_chan *), 3));
    weft_chan *done = got(weft_chan_new(0, 0));
    (void)arg;
    if (all && done) {
        for (int i = 0; i < 3 && (streams[i] = first_numbers(2)); i++) {
            weft_chan *one = weft_chan_ref(streams[i]);
            weft_chan_send(all, &one);
        }
        weft_chan_close(all);
        weft_chan *out = got(weft_bridge(done, all, sizeof(int)));
        weft_chan *any = got(weft_or((weft_chan *[]){weft_chan_ref(done), out}, 2));
        if (out && any)
            CHECK(!weft_chan_recv(any, NULL));
        weft_chan_unref(any);
        all = NULL;
    }
    weft_chan_unref(all);
    if (done)
        end_all(done);
    for (int i = 0; i < 3; i++)
        is_dropped(streams[i]);
}

/* ---- heartbeats, replicas, stewards ---- */

static struct {
    atomic_int tries, started, ended;
} wards;

struct ward {
    weft_chan *done;
    weft_pulse *pulse;
};

static weft_pulse *pulse_checked(int64_t interval_ns)
{
    weft_pulse *pulse = weft_pulse_new(interval_ns);
    accepted(pulse ? 0 : errno_now());
    return pulse;
}

static void beat_until_done(void *arg)
{
    struct ward w = *(struct ward *)arg;
    weft_pulse_beat(w.pulse);
    weft_chan_recv(w.done, NULL);
    weft_pulse_unref(w.pulse);
    weft_chan_unref(w.done);
    atomic_fetch_add(&wards.ended, 1);
}

static weft_chan *start_ward(weft_chan *done, int64_t pulse_ns, void *arg)
{
    (void)pulse_ns, (void)arg;
    struct ward w = {.done = done, .pulse = pulse_checked(0)};
    weft_chan *heartbeat = NULL;
    if (w.pulse) {
        heartbeat = weft_chan_ref(weft_pulse_chan(w.pulse));
        weft_chan_ref(done);
        if (accepted(weft_go_copy(beat_until_done, &w, sizeof w))) {
            atomic_fetch_add(&wards.started, 1);
        } else {
            weft_chan_unref(done);
            weft_chan_unref(heartbeat);
            weft_pulse_unref(w.pulse);
            heartbeat = NULL;
        }
    }
    atomic_fetch_add(&wards.tries, 1);
    return heartbeat;
}

static void main_wards(void *arg)
{
    (void)arg;
    weft_pulse *pulse = pulse_checked(TEST_MS / 4);
    if (pulse)
        CHECK(weft_chan_recv(weft_pulse_chan(pulse), NULL));
    weft_pulse_unref(pulse);
    test_until_goroutines(1);
    atomic_store(&wards.tries, 0);
    atomic_store(&wards.started, 0);
    atomic_store(&wards.ended, 0);
    weft_chan *done = got(weft_chan_new(0, 0));
    if (!done)
        return;
    weft_chan *beats = got(weft_steward(done, TEST_MS, TEST_MS / 4, start_ward, NULL));
    /* The first ward is silent after its first beat. Without memory for its done there is no other. */
    for (int i = 0; beats && i < 20 && atomic_load(&wards.tries) < 2; i++)
        CHECK(weft_chan_recv(beats, NULL));
    end_all(done);
    is_dropped(beats);
    CHECK_EQ(atomic_load(&wards.ended), atomic_load(&wards.started));
}

static atomic_int answered;

static int replies(weft_ctx *ctx, size_t replica, void *out, void *arg)
{
    (void)ctx, (void)arg;
    atomic_fetch_add(&answered, 1);
    *(size_t *)out = replica;
    return -EIO;
}

/* All of them, or none. So many that some are refused when others have been started. */
static void main_replicate(void *arg)
{
    enum { REPLICAS = 3 * SOME };
    size_t out = 77;
    (void)arg;
    atomic_store(&answered, 0);
    int rc = weft_replicate(NULL, REPLICAS, replies, &out, sizeof out, NULL);
    if (rc != -EIO)
        accepted(rc);
    CHECK_EQ(atomic_load(&answered), rc == -EIO ? REPLICAS : 0);
    CHECK_EQ(out, 77);
}

#endif
