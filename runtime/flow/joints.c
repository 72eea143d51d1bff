/* SPDX-License-Identifier: Apache-2.0
 * joints.c - stages with several sources or several outputs.
 *
 * fan_in is one goroutine for all its sources. It goes round them and takes what is there; when a round has found
 * nothing it waits in a select over all. So while they have something, an element costs a receive and a send, however many
 * there are, and each has its turn; the price of a select over all of them is paid for each time that it sleeps.
 * Rejected: a goroutine a source, as in the book: two switches an element more. */
#include "runtime/flow/flow.h"

SANITIZE_OWNER_DATA_BEGIN

/* One equal size for all elements? That of channels that are NULL is nothing's. */
static bool same_size(weft_chan *const *chans, size_t n, size_t *size)
{
    bool known = false;
    *size = 0;
    for (size_t i = 0; i < n; i++) {
        if (!chans[i])
            continue;
        if (known && weft_chan_elem_size(chans[i]) != *size)
            return false;
        *size = weft_chan_elem_size(chans[i]);
        known = true;
    }
    return true;
}

/* Room for a select over the plan's n channels and done; false: too many. */
static bool room_for_cases(struct flow_stage *plan)
{
    plan->more_size = (plan->n + 1) * sizeof(weft_case);
    return plan->n < 65536;
}

/* ---- or ---- */

static void run_or(struct flow_stage *s)
{
    weft_case *cases = s->more;
    for (size_t i = 0; i < s->n; i++)
        cases[i] = WEFT_RECV(s->chans[i], NULL);
    weft_select(cases, s->n);
}

weft_chan *weft_or(weft_chan *const *chans, size_t n)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "or",
                              .run = run_or,
                              .chans = (weft_chan **)chans,
                              .n = n};
    if (n == 0 || !room_for_cases(&plan))
        return flow_refuse(&plan, EINVAL);
    return flow_start(&plan, 0);
}

/* ---- fan_in ---- */

struct fan_in {
    struct flow_stage *stage;
    size_t live;  /* the first of stage->chans have not ended */
    bool endless; /* one is NULL */
};

static void source_ended(struct fan_in *f, size_t i)
{
    weft_chan **chans = f->stage->chans;
    chan_drop(chans[i]);
    chans[i] = chans[--f->live];
    chans[f->live] = NULL;
}

/* Once round; false: done is closed. */
static bool take_round(struct fan_in *f, bool *found)
{
    struct flow_stage *s = f->stage;
    *found = false;
    for (size_t i = 0; i < f->live;) {
        int rc = weft_chan_try_recv(s->chans[i], s->item);
        if (rc == -EPIPE) {
            source_ended(f, i);
            continue;
        }
        if (rc == 0) {
            *found = true;
            if (!flow_send(s->done, s->out, s->item))
                return false;
        }
        i++;
    }
    return !flow_stopped(s->done);
}

/* Wait for the next; false: done is closed. */
static bool take_next(struct fan_in *f)
{
    struct flow_stage *s = f->stage;
    weft_case *cases = s->more;
    bool ok = false;
    for (size_t i = 0; i < f->live; i++)
        cases[i] = WEFT_RECV_OK(s->chans[i], s->item, &ok);
    cases[f->live] = WEFT_RECV(s->done, NULL);
    size_t won = (size_t)chan_select_or_stop(cases, f->live + 1);
    if (won == f->live)
        return false;
    if (ok)
        return flow_send(s->done, s->out, s->item);
    source_ended(f, won);
    return true;
}

static void run_fan_in(struct flow_stage *s)
{
    struct fan_in f = {.stage = s};
    for (size_t i = 0; i < s->n; i++) {
        weft_chan *source = s->chans[i];
        s->chans[i] = NULL;
        if (source)
            s->chans[f.live++] = source;
        else
            f.endless = true;
    }
    bool goes_on = true, found = true;
    while (goes_on && (f.live || f.endless))
        goes_on = found ? take_round(&f, &found) : (found = true, take_next(&f));
}

weft_chan *weft_fan_in(weft_chan *done, weft_chan *const *ins, size_t n)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "fan_in",
                              .run = run_fan_in,
                              .done = done,
                              .chans = (weft_chan **)ins,
                              .n = n};
    if (!room_for_cases(&plan) || !same_size(ins, n, &plan.item_size))
        return flow_refuse(&plan, EINVAL);
    plan.made_size = plan.item_size;
    return flow_start(&plan, 0);
}

/* ---- tee ---- */

/* To both, in the order in which they are ready; false: done is closed. */
static bool send_both(struct flow_stage *s)
{
    weft_chan *left[] = {s->out, s->out2};
    for (int i = 0; i < 2; i++)
        if (weft_chan_try_send(left[i], s->item) == 0)
            left[i] = NULL;
    while (left[0] || left[1]) {
        weft_case cases[] = {WEFT_SEND(left[0], s->item), WEFT_SEND(left[1], s->item),
                             WEFT_RECV(s->done, NULL)};
        int won = chan_select_or_stop(cases, 3);
        if (won == 2)
            return false;
        left[won] = NULL;
    }
    return true;
}

static void run_tee(struct flow_stage *s)
{
    while (flow_recv(s->done, s->in, s->item) && send_both(s))
        ;
}

int weft_tee(weft_chan *done, weft_chan *in, weft_chan **out1, weft_chan **out2)
{
    *out1 = *out2 = NULL;
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "tee",
                              .run = run_tee,
                              .done = done,
                              .in = in};
    if (!in) {
        flow_refuse(&plan, flow_inner_error());
        return -errno;
    }
    plan.item_size = plan.made_size = weft_chan_elem_size(in);
    weft_chan *second = weft_chan_new(plan.made_size, 0);
    if (!second) {
        flow_refuse(&plan, ENOMEM);
        return -ENOMEM;
    }
    plan.out2 = weft_chan_ref(second);
    *out1 = flow_start(&plan, 0);
    if (!*out1) {
        int error = errno;
        chan_drop(second);
        return -error;
    }
    *out2 = second;
    return 0;
}

SANITIZE_OWNER_DATA_END
