/* SPDX-License-Identifier: Apache-2.0
 * 4-pipeline - chapter 4, pipelines: multiply(add(multiply(x, 2), 1), 2) over 1..4, each stage a goroutine that
 * stops when `done` is closed or its input ends. */
#include <stdio.h>
#include <weft/weft.h>

struct stage {
    weft_chan *done, *in, *out;
    int (*fn)(int v, int by);
    int by;
};

static int add(int v, int by)
{
    return v + by;
}

static int multiply(int v, int by)
{
    return v * by;
}

static void run_stage(void *arg)
{
    struct stage *s = arg;
    int v;
    bool ok;
    while (WEFT_SELECT(WEFT_RECV(s->done, NULL), WEFT_RECV_OK(s->in, &v, &ok)) == 1 && ok) {
        v = s->fn(v, s->by);
        if (WEFT_SELECT(WEFT_RECV(s->done, NULL), WEFT_SEND(s->out, &v)) == 0)
            break;
    }
    weft_chan_close(s->out);
    weft_chan_unref(s->in);
    weft_chan_unref(s->out);
}

/* Takes its input over. */
static weft_chan *stage(weft_chan *done, weft_chan *in, int (*fn)(int, int), int by)
{
    weft_chan *out = weft_chan_new(sizeof(int), 0);
    WEFT_GO(run_stage, struct stage, done, in, weft_chan_ref(out), fn, by);
    return out;
}

static void run_generator(void *arg)
{
    struct stage *s = arg;
    for (int v = 1; v <= 4; v++)
        if (WEFT_SELECT(WEFT_RECV(s->done, NULL), WEFT_SEND(s->out, &v)) == 0)
            break;
    weft_chan_close(s->out);
    weft_chan_unref(s->out);
}

static weft_chan *generator(weft_chan *done)
{
    weft_chan *out = weft_chan_new(sizeof(int), 0);
    WEFT_GO(run_generator, struct stage, .done = done, .out = weft_chan_ref(out));
    return out;
}

static void pipeline(void *arg)
{
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0);
    weft_chan *out =
        stage(done, stage(done, stage(done, generator(done), multiply, 2), add, 1), multiply, 2);
    WEFT_RANGE(int, v, out) printf("%d\n", v);
    weft_chan_unref(out);
    weft_chan_close(done); /* the stages have ended already; else this would end them */
}

int main(void)
{
    return weft_run(pipeline, NULL, NULL);
}
