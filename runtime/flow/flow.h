/* SPDX-License-Identifier: Apache-2.0
 * flow.h - what stages are made of.
 *
 * A stage is a record and a goroutine that owns it, with a reference to each of its channels. However the goroutine ends (the
 * source has ended, done is closed, a function of the user's calls weft_goexit), a deferred call closes the outputs and drops
 * everything.
 *
 * Each receive and send looks at done first, so a stage whose source and sink are always ready still stops, and may wait for it as
 * well: chan/stop.c, where a partner who waits already is served as by a plain send or receive, and who has to wait
 * registers for that alone, as the goroutine watches done. */
#ifndef WEFT_RUNTIME_FLOW_FLOW_H
#define WEFT_RUNTIME_FLOW_FLOW_H

#include <errno.h>
#include <weft/flow.h>
#include <weft/select.h>
#include <weft/sync.h>

#include "alloc/alloc.h"
#include "runtime/chan/chan.h"

struct flow_stage {
    const void *caller; /* of weft: who created its goroutine, for reports */
    const char *name;   /* of its goroutine */
    void (*run)(struct flow_stage *stage);
    weft_chan *done, *in, *out, *out2;
    bool in_has_chans; /* elements of in are references */
    weft_chan **chans; /* NULL, or n channels, of which some may be NULL */
    size_t n;
    union {
        void (*map)(void *out, const void *in, void *arg);
        bool (*keep)(const void *in, void *arg);
        void (*make)(void *out, void *arg);
        weft_ward ward;
    } fn;
    void *arg;
    int64_t timeout_ns, pulse_ns;
    struct flow_gate *gate; /* of stages that start together or not at all; else NULL */

    size_t item_size, made_size, more_size;
    const void *begin; /* NULL, or what more is at first */
    void *item;        /* room for an element of the source */
    void *made;        /* for one of the output */
    void *more;        /* for what else it needs */
};

SANITIZE_OWNER_DATA_BEGIN

/* A stage by its plan, whose done is borrowed, whose in, chans and outs are handed over, also when this fails. Its three rooms, zeroed,
 * are of the sizes that the plan asks for. NULL and errno. */
struct flow_stage *flow_new(const struct flow_stage *plan);

/* Start it: 0, or -errno and it is gone. */
int flow_go(struct flow_stage *stage);

/* One that hasn't been started. */
void flow_free(struct flow_stage *stage);

/* New and go for a stage with one output of elements of made_size, which is returned. */
weft_chan *flow_start(struct flow_stage *plan, size_t capacity);

/* Drop what the plan hands over: NULL and errno. */
weft_chan *flow_refuse(const struct flow_stage *plan, int error);

/* The error where in is NULL: that of the inner stage which failed. */
int flow_inner_error(void);

/* Several that start together: wait until that is decided. False: they don't. */
bool flow_pass_gate(struct flow_stage *stage);

/* Whether done is closed. */
static inline bool flow_stopped(weft_chan *done)
{
    return done && unlikely(chan_may_recv(done)) && weft_chan_try_recv(done, NULL) != -EAGAIN;
}

/* False: in is closed and drained, or done is closed. */
bool flow_recv(weft_chan *done, weft_chan *in, void *item);

/* False: done is closed. */
bool flow_send(weft_chan *done, weft_chan *out, const void *item);

SANITIZE_OWNER_DATA_END

#endif
