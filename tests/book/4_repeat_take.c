/* SPDX-License-Identifier: Apache-2.0
 * 4-repeat-take - chapter 4, generators: repeat gives the same values until told to stop, repeat_fn what a function
 * gives, take passes on so many; each makes one more element only when somebody takes it. By hand, and with the library's. */
#include <stdio.h>
#include <weft/weft.h>

struct stage {
    weft_chan *done, *in, *out;
    int n;
    const int *values;
    int (*fn)(void);
};

static void stage_ends(struct stage *s)
{
    weft_chan_close(s->out);
    weft_chan_unref(s->in);
    weft_chan_unref(s->out);
    weft_chan_unref(s->done);
}

/* False: done is closed. */
static bool give(struct stage *s, int v)
{
    return WEFT_SELECT(WEFT_RECV(s->done, NULL), WEFT_SEND(s->out, &v)) == 1;
}

static void run_repeat(void *arg)
{
    struct stage *s = arg;
    for (int i = 0; give(s, s->values[i]); i = (i + 1) % s->n)
        ;
    stage_ends(s);
}

static void run_repeat_fn(void *arg)
{
    struct stage *s = arg;
    while (give(s, s->fn()))
        ;
    stage_ends(s);
}

static void run_take(void *arg)
{
    struct stage *s = arg;
    int v;
    bool ok;
    for (int i = 0; i < s->n; i++)
        if (WEFT_SELECT(WEFT_RECV(s->done, NULL), WEFT_RECV_OK(s->in, &v, &ok)) == 0 || !ok ||
            !give(s, v))
            break;
    stage_ends(s);
}

/* Takes s->in over. */
static weft_chan *start(weft_fn run, struct stage s)
{
    s.out = weft_chan_new(sizeof(int), 0);
    weft_chan_ref(s.out);
    weft_chan_ref(s.done);
    weft_go_copy(run, &s, sizeof s);
    return s.out;
}

static weft_chan *repeat(weft_chan *done, const int *values, int n)
{
    return start(run_repeat, (struct stage){.done = done, .values = values, .n = n});
}

static weft_chan *repeat_fn(weft_chan *done, int (*fn)(void))
{
    return start(run_repeat_fn, (struct stage){.done = done, .fn = fn});
}

static weft_chan *take(weft_chan *done, weft_chan *in, int n)
{
    return start(run_take, (struct stage){.done = done, .in = in, .n = n});
}

static int next_square(void)
{
    static int root; /* one goroutine calls it */
    root++;
    return root * root;
}

static void print_all(weft_chan *stream)
{
    WEFT_RANGE(int, v, stream) printf("%d ", v);
    printf("\n");
    weft_chan_unref(stream);
}

static void generate(void *arg)
{
    static const int one[] = {1};
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0);
    print_all(take(done, repeat(done, one, 1), 10));
    print_all(weft_take(done, weft_repeat(done, one, 1, sizeof one[0]), 10));
    print_all(take(done, repeat_fn(done, next_square), 5));
    weft_chan_close(done);
    weft_chan_unref(done);
}

int main(void)
{
    return weft_run(generate, NULL, NULL);
}
