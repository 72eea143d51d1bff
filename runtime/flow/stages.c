/* SPDX-License-Identifier: Apache-2.0
 * stages.c - stages with one source and one output, or none and one. */
#include <weft/defer.h>

#include "runtime/flow/flow.h"

SANITIZE_OWNER_DATA_BEGIN

/* ---- sources ---- */

static void run_repeat(struct flow_stage *s)
{
    size_t size = s->made_size, i = 0;
    while (flow_send(s->done, s->out, (char *)s->more + i * size))
        i = i + 1 < s->n ? i + 1 : 0;
}

static void run_nothing(struct flow_stage *s)
{
    (void)s;
}

weft_chan *weft_repeat(weft_chan *done, const void *values, size_t n, size_t elem_size)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "repeat",
                              .run = n ? run_repeat : run_nothing,
                              .done = done,
                              .n = n,
                              .begin = values,
                              .made_size = elem_size};
    if (__builtin_mul_overflow(n, elem_size, &plan.more_size))
        return flow_refuse(&plan, ENOMEM);
    return flow_start(&plan, 0);
}

static void run_repeat_fn(struct flow_stage *s)
{
    do
        s->fn.make(s->made, s->arg);
    while (flow_send(s->done, s->out, s->made));
}

weft_chan *weft_repeat_fn(weft_chan *done, size_t elem_size, void (*fn)(void *out, void *arg),
                          void *arg)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "repeat_fn",
                              .run = run_repeat_fn,
                              .done = done,
                              .fn.make = fn,
                              .arg = arg,
                              .made_size = elem_size};
    return fn ? flow_start(&plan, 0) : flow_refuse(&plan, EINVAL);
}

/* ---- the elements as they are ---- */

/* Start one whose output has the elements of its source. */
static weft_chan *start_like(struct flow_stage *plan, size_t capacity)
{
    if (!plan->in)
        return flow_refuse(plan, flow_inner_error());
    plan->item_size = plan->made_size = weft_chan_elem_size(plan->in);
    return flow_start(plan, capacity);
}

static void run_pass(struct flow_stage *s)
{
    while (flow_recv(s->done, s->in, s->item) && flow_send(s->done, s->out, s->item))
        ;
}

weft_chan *weft_or_done(weft_chan *done, weft_chan *in)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "or_done",
                              .run = run_pass,
                              .done = done,
                              .in = in};
    return start_like(&plan, 0);
}

weft_chan *weft_buffer(weft_chan *done, weft_chan *in, size_t capacity)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "buffer",
                              .run = run_pass,
                              .done = done,
                              .in = in};
    return start_like(&plan, capacity);
}

static void run_take(struct flow_stage *s)
{
    for (size_t left = s->n; left; left--)
        if (!flow_recv(s->done, s->in, s->item) || !flow_send(s->done, s->out, s->item))
            break;
}

weft_chan *weft_take(weft_chan *done, weft_chan *in, size_t n)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "take",
                              .run = run_take,
                              .done = done,
                              .in = in,
                              .n = n};
    return start_like(&plan, 0);
}

static void run_filter(struct flow_stage *s)
{
    while (flow_recv(s->done, s->in, s->item))
        if (s->fn.keep(s->item, s->arg) && !flow_send(s->done, s->out, s->item))
            break;
}

weft_chan *weft_filter(weft_chan *done, weft_chan *in, bool (*keep)(const void *in, void *arg),
                       void *arg)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "filter",
                              .run = run_filter,
                              .done = done,
                              .in = in,
                              .fn.keep = keep,
                              .arg = arg};
    return keep ? start_like(&plan, 0) : flow_refuse(&plan, EINVAL);
}

/* ---- a channel of channels ---- */

static bool forward(struct flow_stage *s, weft_chan *stream)
{
    if (stream && weft_chan_elem_size(stream) != s->made_size)
        weft_panic("bridge: element size");
    while (flow_recv(s->done, stream, s->made))
        if (!flow_send(s->done, s->out, s->made))
            return false;
    return !flow_stopped(s->done);
}

static void run_bridge(struct flow_stage *s)
{
    weft_chan *stream;
    bool goes_on = true;
    while (goes_on && flow_recv(s->done, s->in, &stream)) {
        goes_on = forward(s, stream);
        weft_chan_unref(stream);
    }
}

weft_chan *weft_bridge(weft_chan *done, weft_chan *chan_of_chans, size_t elem_size)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "bridge",
                              .run = run_bridge,
                              .done = done,
                              .in = chan_of_chans,
                              .made_size = elem_size};
    if (!chan_of_chans)
        return flow_refuse(&plan, flow_inner_error());
    if (weft_chan_elem_size(chan_of_chans) != sizeof(weft_chan *))
        return flow_refuse(&plan, EINVAL);
    plan.in_has_chans = true;
    return flow_start(&plan, 0);
}

SANITIZE_OWNER_DATA_END
