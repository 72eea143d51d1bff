/* SPDX-License-Identifier: Apache-2.0
 * flow.c - the life of a stage, and its receives and sends. */
#include "runtime/flow/flow.h"

#include <string.h>
#include <weft/defer.h>
#include <weft/go.h>

SANITIZE_OWNER_DATA_BEGIN

#define ROOM_ALIGN ((size_t)16)

bool flow_recv(weft_chan *done, weft_chan *in, void *item)
{
    if (!done)
        return weft_chan_recv(in, item);
    return chan_recv_or_stop(done, in, item) == STOP_DONE;
}

bool flow_send(weft_chan *done, weft_chan *out, const void *item)
{
    if (done)
        return chan_send_or_stop(done, out, item) == STOP_DONE;
    weft_chan_send(out, item); /* panics where another has closed it */
    return true;
}

/* ---- the record ---- */

static size_t room_for(size_t bytes)
{
    return bytes > SIZE_MAX / 8 ? SIZE_MAX / 8 : (bytes + ROOM_ALIGN - 1) & ~(ROOM_ALIGN - 1);
}

/* Nobody else will receive what is left in it. */
static void drop_elements(weft_chan *chans)
{
    weft_chan *ch;
    if (chans && atomic_load_acquire(&chans->refs) == 1)
        while (weft_chan_try_recv(chans, &ch) == 0)
            chan_drop(ch);
}

static void drop_inputs(const struct flow_stage *stage)
{
    if (stage->in_has_chans)
        drop_elements(stage->in);
    chan_drop(stage->in);
    for (size_t i = 0; stage->chans && i < stage->n; i++)
        chan_drop(stage->chans[i]);
}

weft_chan *flow_refuse(const struct flow_stage *plan, int error)
{
    drop_inputs(plan);
    chan_drop(plan->out2);
    errno = error;
    return NULL;
}

struct flow_stage *flow_new(const struct flow_stage *plan)
{
    size_t chans = plan->chans ? room_for(plan->n * sizeof plan->chans[0]) : 0;
    size_t item = room_for(plan->item_size), made = room_for(plan->made_size);
    size_t head = room_for(sizeof *plan);
    char *room = alloc_zeroed(CACHE_LINE, head + chans + item + made + room_for(plan->more_size));
    if (!room) {
        drop_inputs(plan);
        chan_drop(plan->out);
        chan_drop(plan->out2);
        errno = ENOMEM;
        return NULL;
    }
    struct flow_stage *stage = (struct flow_stage *)room;
    *stage = *plan;
    room += head;
    if (plan->chans) {
        stage->chans = (weft_chan **)room;
        memcpy(stage->chans, plan->chans, plan->n * sizeof plan->chans[0]);
    }
    stage->item = room + chans;
    stage->made = room + chans + item;
    stage->more = room + chans + item + made;
    if (plan->begin && plan->more_size)
        memcpy(stage->more, plan->begin, plan->more_size);
    stage->done = weft_chan_ref(plan->done);
    return stage;
}

void flow_free(struct flow_stage *stage)
{
    drop_inputs(stage);
    chan_drop(stage->out);
    chan_drop(stage->out2);
    chan_drop(stage->done);
    alloc_free(stage);
}

/* ---- the goroutine ---- */

static void end_stage(void *arg)
{
    struct flow_stage *stage = arg;
    if (stage->out)
        weft_chan_close(stage->out);
    if (stage->out2)
        weft_chan_close(stage->out2);
    flow_free(stage);
}

static void run_stage(void *arg)
{
    struct flow_stage *stage = arg;
    WEFT_DEFER(end_stage, stage);
    if (!stage->gate || flow_pass_gate(stage))
        stage->run(stage);
}

int flow_go(struct flow_stage *stage)
{
    int rc =
        sched_go_called(stage->caller, &(weft_go_options){.name = stage->name}, run_stage, stage);
    if (rc)
        flow_free(stage);
    return rc;
}

weft_chan *flow_start(struct flow_stage *plan, size_t capacity)
{
    plan->out = weft_chan_new(plan->made_size, capacity);
    if (!plan->out)
        return flow_refuse(plan, errno);
    weft_chan *out = weft_chan_ref(plan->out);
    struct flow_stage *stage = flow_new(plan);
    int error = stage ? -flow_go(stage) : errno;
    if (error) {
        chan_drop(out);
        errno = error;
        return NULL;
    }
    return out;
}

int flow_inner_error(void)
{
    return errno == ENOMEM || errno == ESRCH ? errno : EINVAL;
}

SANITIZE_OWNER_DATA_END
