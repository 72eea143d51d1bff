/* SPDX-License-Identifier: Apache-2.0
 * ends.c - linked around each program of the book by the linker's --wrap, so that the program itself stays as a reader
 * should see it: when its main has returned, every goroutine that it started comes to its end, and every reference
 * to a channel that it made or added is dropped. One that never ends is found by the test's time limit, and a
 * reference that is left by the exit status 1.
 *
 * BOOK_LEFT is the number of goroutines that the program means to leave waiting for ever, BOOK_REFERENCES how many
 * references those keep. BOOK_COUNTS_CHANNELS is 0 where channels come from the library's stages, which weren't counted. */
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

struct program {
    weft_fn main_fn;
    void *arg;
};

static void run_to_the_end(void *arg)
{
    struct program *program = arg;
    program->main_fn(program->arg);
    while (weft_num_goroutine() > 1 + BOOK_LEFT)
        weft_yield();
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
