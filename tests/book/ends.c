/* SPDX-License-Identifier: Apache-2.0
 * ends.c - linked around each program of the book by the linker's --wrap, so that the program itself stays as a reader
 * should see it: when its main has returned, every goroutine that it started comes to its end or, if it is meant to wait
 * for ever, waits; and every reference to a channel that it made or added is dropped. One that never ends is found by the
 * test's time limit, and a reference that is left by the exit status 1.
 *
 * A stage of the library takes its inputs' references over and gives one of its output: those that it holds itself aren't counted.
 *
 * BOOK_LEFT is the number of goroutines that the program means to leave waiting for ever, BOOK_REFERENCES how many
 * references those keep, or the program hands over as elements. BOOK_COUNTS_CHANNELS is 0 where that depends on the run. */
#include <stdatomic.h>
#include <stdio.h>
#include <weft/weft.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
weft_chan *__real_weft_chan_new(size_t elem_size, size_t capacity);
weft_chan *__wrap_weft_chan_new(size_t elem_size, size_t capacity);
weft_chan *__real_weft_chan_ref(weft_chan *ch);
weft_chan *__wrap_weft_chan_ref(weft_chan *ch);
void __real_weft_chan_unref(weft_chan *ch);
void __wrap_weft_chan_unref(weft_chan *ch);
int __real_weft_run(weft_fn main_fn, void *arg, const weft_config *config);
int __wrap_weft_run(weft_fn main_fn, void *arg, const weft_config *config);

static atomic_long references; /* to the program's channels */

weft_chan *__wrap_weft_chan_new(size_t elem_size, size_t capacity)
{
    weft_chan *ch = __real_weft_chan_new(elem_size, capacity);
    atomic_fetch_add(&references, ch != NULL);
    return ch;
}

weft_chan *__wrap_weft_chan_ref(weft_chan *ch)
{
    atomic_fetch_add(&references, ch != NULL);
    return __real_weft_chan_ref(ch);
}

void __wrap_weft_chan_unref(weft_chan *ch)
{
    atomic_fetch_sub(&references, ch != NULL);
    __real_weft_chan_unref(ch);
}

/* ---- stages ---- */

#define COUNTED(result, name, parameters, arguments, given, taken)                                 \
    result __real_weft_##name parameters;                                                          \
    result __wrap_weft_##name parameters;                                                          \
    result __wrap_weft_##name parameters                                                           \
    {                                                                                              \
        long taken_over = (long)(taken);                                                           \
        result made = __real_weft_##name arguments;                                                \
        atomic_fetch_add(&references, (long)(given) - taken_over);                                 \
        return made;                                                                               \
    }

typedef weft_chan *channel;
typedef void (*map_fn)(void *out, const void *in, void *arg);

static long count(weft_chan *const *chans, size_t n)
{
    long channels = 0;
    for (size_t i = 0; i < n; i++)
        channels += chans[i] != NULL;
    return channels;
}

COUNTED(channel, or, (channel const *chans, size_t n), (chans, n), made != NULL, count(chans, n))
COUNTED(channel, or_done, (channel done, channel in), (done, in), made != NULL, in != NULL)
COUNTED(channel, repeat, (channel done, const void *values, size_t n, size_t size),
        (done, values, n, size), made != NULL, 0)
COUNTED(channel, repeat_fn, (channel done, size_t size, void (*fn)(void *, void *), void *arg),
        (done, size, fn, arg), made != NULL, 0)
COUNTED(channel, take, (channel done, channel in, size_t n), (done, in, n), made != NULL,
        in != NULL)
COUNTED(channel, map, (channel done, channel in, size_t size, map_fn fn, void *arg),
        (done, in, size, fn, arg), made != NULL, in != NULL)
COUNTED(channel, filter, (channel done, channel in, bool (*keep)(const void *, void *), void *arg),
        (done, in, keep, arg), made != NULL, in != NULL)
COUNTED(channel, buffer, (channel done, channel in, size_t n), (done, in, n), made != NULL,
        in != NULL)
COUNTED(channel, fan_in, (channel done, channel const *ins, size_t n), (done, ins, n), made != NULL,
        count(ins, n))
COUNTED(int, fan_out,
        (channel done, channel in, channel *outs, size_t n, size_t size, map_fn fn, void *arg),
        (done, in, outs, n, size, fn, arg), count(outs, n), in != NULL)
COUNTED(int, tee, (channel done, channel in, channel *out1, channel *out2), (done, in, out1, out2),
        (*out1 != NULL) + (*out2 != NULL), in != NULL)
COUNTED(channel, bridge, (channel done, channel streams, size_t size), (done, streams, size),
        made != NULL, streams != NULL)

/* ---- around main ---- */

struct program {
    weft_fn main_fn;
    void *arg;
};

static void run_to_the_end(void *arg)
{
    struct program *program = arg;
    program->main_fn(program->arg);
    weft_stats stats;
    do {
        weft_yield();
        weft_stats_read(&stats);
    } while (stats.goroutines > 1 + BOOK_LEFT || stats.parked != BOOK_LEFT);
}

int __wrap_weft_run(weft_fn main_fn, void *arg, const weft_config *config)
{
    struct program program = {main_fn, arg};
    int error = __real_weft_run(run_to_the_end, &program, config);
    long left = atomic_load(&references);
    if (left == BOOK_REFERENCES || !BOOK_COUNTS_CHANNELS)
        return error;
    fprintf(stderr, "%ld references to channels are left\n", left);
    return 1;
}
/* NOLINTEND(bugprone-reserved-identifier) */
