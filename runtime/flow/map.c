/* SPDX-License-Identifier: Apache-2.0
 * map.c - a function on each element, by one goroutine or by several. */
#include "runtime/flow/flow.h"

/* What several stages wait for before they touch anything. The last to pass frees it. */
struct flow_gate {
    weft_waitgroup opened;
    bool cancelled; /* set before it is opened */
    _Atomic(size_t) users;
};

SANITIZE_OWNER_DATA_BEGIN

static void run_map(struct flow_stage *s)
{
    while (flow_recv(s->done, s->in, s->item)) {
        s->fn.map(s->made, s->item, s->arg);
        if (!flow_send(s->done, s->out, s->made))
            break;
    }
}

static struct flow_stage map_plan(weft_chan *done, weft_chan *in, size_t out_size,
                                  void (*fn)(void *out, const void *in, void *arg), void *arg)
{
    return (struct flow_stage){.name = "map",
                               .run = run_map,
                               .done = done,
                               .in = in,
                               .fn.map = fn,
                               .arg = arg,
                               .item_size = weft_chan_elem_size(in),
                               .made_size = out_size};
}

weft_chan *weft_map(weft_chan *done, weft_chan *in, size_t out_size,
                    void (*fn)(void *out, const void *in, void *arg), void *arg)
{
    struct flow_stage plan = map_plan(done, in, out_size, fn, arg);
    plan.caller = __builtin_return_address(0);
    if (!in || !fn)
        return flow_refuse(&plan, in ? EINVAL : flow_inner_error());
    return flow_start(&plan, 0);
}

/* ---- several ---- */

static void gate_leave(struct flow_gate *gate)
{
    if (atomic_sub_acq_rel(&gate->users, 1) == 1)
        alloc_free(gate);
}

bool flow_pass_gate(struct flow_stage *stage)
{
    weft_waitgroup_wait(&stage->gate->opened);
    bool passes = !stage->gate->cancelled;
    gate_leave(stage->gate);
    return passes;
}

static void gate_open(struct flow_gate *gate, bool cancelled)
{
    gate->cancelled = cancelled;
    weft_waitgroup_done(&gate->opened);
    gate_leave(gate);
}

/* n stages that wait behind the gate, each with a reference to in. 0 or -errno, then those that were started wait too. */
static int start_workers(struct flow_stage *plan, struct flow_gate *gate, weft_chan **outs,
                         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        plan->out = weft_chan_new(plan->made_size, 0);
        if (!plan->out)
            return -errno;
        outs[i] = weft_chan_ref(plan->out);
        weft_chan_ref(plan->in);
        struct flow_stage *stage = flow_new(plan);
        int rc = stage ? flow_go(stage) : -errno;
        if (rc)
            return rc;
        atomic_add_relaxed(&gate->users, 1);
    }
    return 0;
}

int weft_fan_out(weft_chan *done, weft_chan *in, weft_chan **outs, size_t n, size_t out_size,
                 void (*fn)(void *out, const void *in, void *arg), void *arg)
{
    struct flow_stage plan = map_plan(done, in, out_size, fn, arg);
    plan.caller = __builtin_return_address(0);
    struct flow_gate *gate = NULL;
    int rc = in ? 0 : -flow_inner_error();
    for (size_t i = 0; i < n; i++)
        outs[i] = NULL;
    if (!rc && (n == 0 || !fn))
        rc = -EINVAL;
    if (!rc && !(gate = alloc_zeroed(CACHE_LINE, sizeof *gate)))
        rc = -ENOMEM;
    if (!rc) {
        plan.gate = gate;
        atomic_store_relaxed(&gate->users, 1);
        weft_waitgroup_add(&gate->opened, 1);
        rc = start_workers(&plan, gate, outs, n);
        gate_open(gate, rc != 0);
    }
    for (size_t i = 0; rc && i < n; i++) {
        chan_drop(outs[i]);
        outs[i] = NULL;
    }
    chan_drop(in);
    return rc;
}

SANITIZE_OWNER_DATA_END
