/* SPDX-License-Identifier: Apache-2.0
 * steward.c - a goroutine that looks after another and replaces it when it shows no sign of life. */
#include <weft/defer.h>
#include <weft/go.h>
#include <weft/time.h>

#include "runtime/flow/flow.h"
#include "runtime/time/time.h"

/* Its ward, and when it does what next. */
struct steward {
    weft_chan *ward_done, *heartbeat;
    int64_t unhealthy_at, pulse_at;
};

SANITIZE_OWNER_DATA_BEGIN

static void leave_ward(struct steward *st)
{
    if (st->ward_done)
        weft_chan_close(st->ward_done);
    weft_chan_unref(st->ward_done);
    weft_chan_unref(st->heartbeat);
    st->ward_done = st->heartbeat = NULL;
}

/* Without memory there is no ward, and the next try comes when this one has been silent for long enough. */
static void start_ward(struct flow_stage *s, struct steward *st)
{
    leave_ward(st);
    st->ward_done = weft_chan_new(0, 0);
    if (st->ward_done)
        st->heartbeat = s->fn.ward(st->ward_done, s->timeout_ns / 2, s->arg);
    st->unhealthy_at = time_after(s->timeout_ns);
}

static int64_t next_pulse(struct flow_stage *s)
{
    return s->pulse_ns > 0 ? time_after(s->pulse_ns) : WEFT_FOREVER;
}

static void leave_steward(void *arg)
{
    leave_ward(arg);
}

static void run_steward(struct flow_stage *s)
{
    struct steward st = {.pulse_at = next_pulse(s)};
    WEFT_DEFER(leave_steward, &st);
    start_ward(s, &st);
    for (;;) {
        int64_t next = st.pulse_at < st.unhealthy_at ? st.pulse_at : st.unhealthy_at;
        bool alive;
        switch (WEFT_SELECT(WEFT_RECV(s->done, NULL), WEFT_RECV_OK(st.heartbeat, NULL, &alive),
                            WEFT_AFTER(next - weft_now()))) {
        case 0:
            return;
        case 1:
            if (alive) {
                st.unhealthy_at = time_after(s->timeout_ns);
            } else {
                start_ward(s, &st);
                weft_yield(); /* it may end at once, each time */
            }
            break;
        default:
            if (st.pulse_at <= weft_now()) {
                weft_chan_try_send(s->out, NULL);
                st.pulse_at = next_pulse(s);
            }
            if (st.unhealthy_at > weft_now())
                break;
            if (weft_chan_try_recv(st.heartbeat, NULL) == 0) /* it is we who are late */
                st.unhealthy_at = time_after(s->timeout_ns);
            else
                start_ward(s, &st);
        }
    }
}

weft_chan *weft_steward(weft_chan *done, int64_t timeout_ns, int64_t pulse_ns, weft_ward ward,
                        void *arg)
{
    struct flow_stage plan = {.caller = __builtin_return_address(0),
                              .name = "steward",
                              .run = run_steward,
                              .done = done,
                              .fn.ward = ward,
                              .arg = arg,
                              .timeout_ns = timeout_ns,
                              .pulse_ns = pulse_ns};
    return ward && timeout_ns > 0 ? flow_start(&plan, 0) : flow_refuse(&plan, EINVAL);
}

SANITIZE_OWNER_DATA_END
