/* SPDX-License-Identifier: Apache-2.0
 * pulse.c - heartbeats: a channel with room for one beat, and for one that beats by itself a goroutine that
 * waits for the next interval or for the end. The goroutine holds the channels and not the pulse, whose last reference
 * closes both. */
#include <errno.h>
#include <weft/flow.h>
#include <weft/go.h>
#include <weft/time.h>

#include "alloc/alloc.h"
#include "runtime/chan/chan.h"
#include "runtime/time/time.h"

struct weft_pulse {
    weft_chan *beats;
    weft_chan *ended; /* NULL: it doesn't beat by itself */
    _Atomic(uint64_t) refs;
};

struct beater {
    weft_chan *beats, *ended;
    int64_t interval_ns;
};

SANITIZE_OWNER_DATA_BEGIN

static void beat_by_itself(void *arg)
{
    struct beater b = *(struct beater *)arg;
    alloc_free(arg);
    int64_t next = time_plus(weft_now(), b.interval_ns);
    while (weft_chan_recv_until(b.ended, NULL, next) == -ETIMEDOUT) {
        weft_chan_try_send(b.beats, NULL);
        int64_t now = weft_now();
        next = time_plus(next, b.interval_ns);
        if (next <= now) { /* some were missed */
            next = time_plus(now, b.interval_ns);
            weft_yield();
        }
    }
    weft_chan_unref(b.beats);
    weft_chan_unref(b.ended);
}

/* 0 or -errno. */
static int pulse_start(weft_pulse *p, int64_t interval_ns)
{
    p->ended = weft_chan_new(0, 0);
    if (!p->ended)
        return -ENOMEM;
    struct beater *b = alloc_zeroed(CACHE_LINE, sizeof *b);
    if (!b)
        return -ENOMEM;
    *b = (struct beater){.beats = weft_chan_ref(p->beats),
                         .ended = weft_chan_ref(p->ended),
                         .interval_ns = interval_ns};
    int rc = weft_go_with(&(weft_go_options){.name = "pulse"}, beat_by_itself, b);
    if (rc) {
        alloc_free(b);
        chan_drop(p->beats);
        chan_drop(p->ended);
    }
    return rc;
}

static void pulse_free(weft_pulse *p)
{
    chan_drop(p->beats);
    chan_drop(p->ended);
    alloc_free(p);
}

weft_pulse *weft_pulse_new(int64_t interval_ns)
{
    weft_pulse *p = interval_ns < 0 ? NULL : alloc_zeroed(CACHE_LINE, sizeof *p);
    int error = interval_ns < 0 ? EINVAL : ENOMEM;
    if (p) {
        atomic_store_relaxed(&p->refs, 1);
        p->beats = weft_chan_new(0, 1);
        error = !p->beats ? ENOMEM : interval_ns ? -pulse_start(p, interval_ns) : 0;
        if (error) {
            pulse_free(p);
            p = NULL;
        }
    }
    if (error)
        errno = error;
    return p;
}

weft_pulse *weft_pulse_ref(weft_pulse *p)
{
    if (p)
        atomic_add_relaxed(&p->refs, 1);
    return p;
}

weft_chan *weft_pulse_chan(weft_pulse *p)
{
    return p->beats;
}

void weft_pulse_beat(weft_pulse *p)
{
    weft_chan_try_send(p->beats, NULL);
}

void weft_pulse_unref(weft_pulse *p)
{
    sched_checkpoint();
    if (!p || atomic_sub_acq_rel(&p->refs, 1) != 1)
        return;
    if (p->ended)
        weft_chan_close(p->ended);
    weft_chan_close(p->beats);
    pulse_free(p);
}

SANITIZE_OWNER_DATA_END
