/* SPDX-License-Identifier: Apache-2.0
 * flow.h - the patterns of "Concurrency in Go" (Katherine Cox-Buday, 2017): pipelines, and goroutines that are looked after.
 *
 *   weft_chan *done = weft_chan_new(0, 0);
 *   weft_chan *out = weft_take(done, weft_map(done, weft_repeat(done, &one, 1, sizeof one), sizeof(int), twice, NULL), 10);
 *   WEFT_RANGE(int, v, out) { ... }
 *   weft_chan_close(done);
 *
 * A stage is one goroutine, named after its function ("map"), between channels. All of these hold:
 * - `done` is a channel that is closed to stop the stage; NULL: it never is. It is borrowed: a stage takes a reference of its own.
 *   What is sent to it instead stops one of the stages that wait, or is received by another who does, but not in the order of their coming.
 * - Channels named in, ins, chans, chan_of_chans are taken over with one reference each, also when the call fails, so stages nest; to
 *   keep one pass weft_chan_ref(c). An `in` of NULL is the failed call of an inner stage: NULL again, errno as that left it.
 * - A channel that is returned is unbuffered, has one reference, which is the caller's, and closes when the source has ended or `done`
 *   is closed; then the stage has dropped all it held. Elements that it had received by then are gone.
 * - Dropping an output doesn't stop its stage, which waits for somebody to receive: close done.
 * - A failure is NULL with errno ENOMEM, EINVAL or ESRCH (no run is in progress), or the negative of that where an int is
 *   returned; nothing has been started then.
 * - Functions of the caller run on the stage's goroutine and may park. A panic in one ends the process, as in any
 *   goroutine; weft_goexit in one ends the stage as `done` does. `arg` is passed through, and must live until the stage's channel
 *   has closed: with `done` closed a function may still be at work. Elements are aligned to 16 bytes. */
#ifndef WEFT_FLOW_H
#define WEFT_FLOW_H

#include <weft/base.h>
#include <weft/chan.h>
#include <weft/ctx.h>

WEFT_BEGIN_DECLS

/* A channel (without elements) that closes when any of these closes or delivers, whose element is lost then. NULL among them never
 * does. n 0: NULL, EINVAL. At most 65535. */
WEFT_API weft_chan *weft_or(weft_chan *const *chans, size_t n);

/* The elements of in, until done is closed. */
WEFT_API weft_chan *weft_or_done(weft_chan *done, weft_chan *in);

/* These n values again and again; they are copied. n 0: nothing, the channel closes at once. */
WEFT_API weft_chan *weft_repeat(weft_chan *done, const void *values, size_t n, size_t elem_size);

/* What fn puts into *out, again and again. */
WEFT_API weft_chan *weft_repeat_fn(weft_chan *done, size_t elem_size,
                                   void (*fn)(void *out, void *arg), void *arg);

/* The first n elements of in, or as many as there are. The rest is left to others, or to done. */
WEFT_API weft_chan *weft_take(weft_chan *done, weft_chan *in, size_t n);

/* For each element of in the one that fn makes of it. */
WEFT_API weft_chan *weft_map(weft_chan *done, weft_chan *in, size_t out_size,
                             void (*fn)(void *out, const void *in, void *arg), void *arg);

/* The elements of in for which keep is true. */
WEFT_API weft_chan *weft_filter(weft_chan *done, weft_chan *in,
                                bool (*keep)(const void *in, void *arg), void *arg);

/* The elements of in by way of a buffer, so that who makes them needn't wait for who uses them. */
WEFT_API weft_chan *weft_buffer(weft_chan *done, weft_chan *in, size_t capacity);

/* The elements of n channels, in the order of their coming; closes when all have. Their elements are of one size (else EINVAL). n 0:
 * nothing, the channel closes at once. */
WEFT_API weft_chan *weft_fan_in(weft_chan *done, weft_chan *const *ins, size_t n);

/* n stages as of weft_map, which share in; the channel of each is stored in outs. 0, or -EINVAL (n is 0), -ENOMEM, -ESRCH; outs are NULL then.
 * fn is called by several at once. */
WEFT_API int weft_fan_out(weft_chan *done, weft_chan *in, weft_chan **outs, size_t n,
                          size_t out_size, void (*fn)(void *out, const void *in, void *arg),
                          void *arg);

/* Each element of in to both channels; the next is received when both have been taken. 0, or -EINVAL, -ENOMEM, -ESRCH; *out1 and *out2 are
 * NULL then. */
WEFT_API int weft_tee(weft_chan *done, weft_chan *in, weft_chan **out1, weft_chan **out2);

/* chan_of_chans delivers channels (weft_chan *, each with a reference, which is handed over): their elements, one channel after the
 * other. What was received when done was closed is dropped, and what is left in chan_of_chans then, if nobody else has a reference to it. Elements of another size than elem_size panic:
 * "bridge: element size". */
WEFT_API weft_chan *weft_bridge(weft_chan *done, weft_chan *chan_of_chans, size_t elem_size);

/* ---- heartbeats ---- */

/* A goroutine's sign of life: a channel (without elements) that holds at most one beat that nobody has received yet. Opaque, reference
 * counted; weft_pulse_new gives one reference. */
typedef struct weft_pulse weft_pulse;

/* One that beats every interval_ns by itself (a goroutine, "pulse"), until the last reference is dropped or the run ends; 0: only when weft_pulse_beat is
 * called, and then it needs no run. NULL with errno: EINVAL (below 0), ENOMEM, ESRCH. */
WEFT_API weft_pulse *weft_pulse_new(int64_t interval_ns);
WEFT_API weft_pulse *weft_pulse_ref(weft_pulse *p);

/* Its channel, borrowed: closed when the last reference to the pulse is dropped. */
WEFT_API weft_chan *weft_pulse_chan(weft_pulse *p);

/* Beat now, as by unit of work. Never blocks. Any thread. */
WEFT_API void weft_pulse_beat(weft_pulse *p);

/* Drop a reference; NULL is allowed. */
WEFT_API void weft_pulse_unref(weft_pulse *p);

/* ---- several goroutines for one thing ---- */

/* Have n goroutines ("replicate") do the same and take the first that succeeds: handler gets a context that is cancelled when another has
 * succeeded, its number, and memory of out_size zeroed bytes of its own, which is copied to out if it is the first to return 0. Returns
 * when all have returned: 0; if none succeeded what the first to return returned, out untouched; -EINVAL (n is 0), -ENOMEM, -ESRCH.
 * ctx is borrowed, NULL: the background. Parks the caller; may be called on any thread. */
WEFT_API int weft_replicate(weft_ctx *ctx, size_t n,
                            int (*handler)(weft_ctx *ctx, size_t replica, void *out, void *arg),
                            void *out, size_t out_size, void *arg);

/* Starts a ward, a goroutine that works until done (borrowed) is closed, and returns its heartbeat, a channel of any elements with one
 * reference, on which it beats at least every pulse_ns; NULL: it failed, and counts as silent. */
typedef weft_chan *(*weft_ward)(weft_chan *done, int64_t pulse_ns, void *arg);

/* Look after a ward: when it has been silent for timeout_ns, or its heartbeat closes, its done is closed and another is started, without
 * waiting for the end of the old one. Wards are asked to beat every timeout_ns / 2. The first is started on the steward's goroutine, too. Returns the
 * steward's own heartbeat: a beat (no elements) every pulse_ns if somebody waits for it (<= 0: none), closed when done is; the ward's done
 * is closed then, too. NULL with errno: EINVAL (timeout_ns <= 0), ENOMEM, ESRCH. */
WEFT_API weft_chan *weft_steward(weft_chan *done, int64_t timeout_ns, int64_t pulse_ns,
                                 weft_ward ward, void *arg);

WEFT_END_DECLS

/* Stages for the typed channels of WEFT_CHAN_TYPE(name, T), at file scope: name_or_done, name_repeat, name_repeat_fn, name_take, name_map,
 * name_filter, name_buffer, name_fan_in, name_fan_out, name_tee and name_bridge take and give name_rx, name_or takes it. They cost
 * nothing. What name_bridge takes is of a type that is defined here, too: name_streams, a channel of name_rx. */
#define WEFT_FLOW_TYPE(name, T)                                                                    \
    WEFT_CHAN_TYPE(name##_streams, name##_rx);                                                     \
    WEFT_FLOW_SOURCES_(name, T)                                                                    \
    WEFT_FLOW_STAGES_(name)                                                                        \
    WEFT_FLOW_JOINTS_(name, T)                                                                     \
    WEFT_FLOW_MAP_TYPE(name, name, name, T)

/* From elements of one type to those of another, which are T: name_map and name_fan_out take from_rx and give to_rx. */
#define WEFT_FLOW_MAP_TYPE(name, from, to, T)                                                      \
    WEFT_CHAN_FN_(to##_rx)                                                                         \
    name##_map(weft_chan *done, from##_from_ in, void (*fn)(void *out, const void *in, void *arg), \
               void *arg)                                                                          \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(to##_rx, weft_map(done, WEFT_CHAN_RAW_(in), sizeof(T), fn, arg));   \
    }                                                                                              \
    WEFT_CHAN_FN_(int)                                                                             \
    name##_fan_out(weft_chan *done, from##_from_ in, to##_rx *outs, size_t n,                      \
                   void (*fn)(void *out, const void *in, void *arg), void *arg)                    \
    {                                                                                              \
        return weft_fan_out(done, WEFT_CHAN_RAW_(in), (weft_chan **)outs, n, sizeof(T), fn, arg);  \
    }                                                                                              \
    struct name##_flow_needs_a_semicolon_

#define WEFT_FLOW_SOURCES_(name, T)                                                                \
    WEFT_CHAN_FN_(name##_rx) name##_repeat(weft_chan *done, const T *values, size_t n)             \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, weft_repeat(done, values, n, sizeof(T)));                \
    }                                                                                              \
    WEFT_CHAN_FN_(name##_rx)                                                                       \
    name##_repeat_fn(weft_chan *done, void (*fn)(void *out, void *arg), void *arg)                 \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, weft_repeat_fn(done, sizeof(T), fn, arg));               \
    }

#define WEFT_FLOW_STAGES_(name)                                                                    \
    WEFT_CHAN_FN_(name##_rx) name##_or_done(weft_chan *done, name##_from_ in)                      \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, weft_or_done(done, WEFT_CHAN_RAW_(in)));                 \
    }                                                                                              \
    WEFT_CHAN_FN_(name##_rx) name##_take(weft_chan *done, name##_from_ in, size_t n)               \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, weft_take(done, WEFT_CHAN_RAW_(in), n));                 \
    }                                                                                              \
    WEFT_CHAN_FN_(name##_rx)                                                                       \
    name##_filter(weft_chan *done, name##_from_ in, bool (*keep)(const void *in, void *arg),       \
                  void *arg)                                                                       \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, weft_filter(done, WEFT_CHAN_RAW_(in), keep, arg));       \
    }                                                                                              \
    WEFT_CHAN_FN_(name##_rx) name##_buffer(weft_chan *done, name##_from_ in, size_t capacity)      \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, weft_buffer(done, WEFT_CHAN_RAW_(in), capacity));        \
    }

#define WEFT_FLOW_JOINTS_(name, T)                                                                 \
    WEFT_CHAN_FN_(weft_chan *) name##_or(const name##_rx *chans, size_t n)                         \
    {                                                                                              \
        return weft_or((weft_chan *const *)chans, n);                                              \
    }                                                                                              \
    WEFT_CHAN_FN_(name##_rx) name##_bridge(weft_chan *done, name##_streams_from_ streams)          \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, weft_bridge(done, WEFT_CHAN_RAW_(streams), sizeof(T)));  \
    }                                                                                              \
    WEFT_CHAN_FN_(name##_rx) name##_fan_in(weft_chan *done, const name##_rx *ins, size_t n)        \
    {                                                                                              \
        return WEFT_CHAN_MAKE_(name##_rx, weft_fan_in(done, (weft_chan *const *)ins, n));          \
    }                                                                                              \
    WEFT_CHAN_FN_(int)                                                                             \
    name##_tee(weft_chan *done, name##_from_ in, name##_rx *out1, name##_rx *out2)                 \
    {                                                                                              \
        return weft_tee(done, WEFT_CHAN_RAW_(in), &out1->raw_, &out2->raw_);                       \
    }

#endif
