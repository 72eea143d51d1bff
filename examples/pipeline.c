/* SPDX-License-Identifier: Apache-2.0
 * pipeline.c - a pipeline (chapter 4 of "Concurrency in Go"): multiply(add(multiply(x, 2), 1), 2) over 1..4. First in
 * batches: each stage is done with all values before the next begins. Then as a stream: each stage is a goroutine, which
 * passes on one value at a time and stops when `done` is closed or its input ends; by hand, and with weft_map. */
#include <weft/weft.h>

#include <stdio.h>

static int add(int v, int by)
{
    return v + by;
}

static int multiply(int v, int by)
{
    return v * by;
}

/* ---- in batches ---- */

static void batch_stage(int *values, int n, int (*fn)(int v, int by), int by)
{
    for (int i = 0; i < n; i++)
        values[i] = fn(values[i], by);
}

static void batch(void)
{
    int values[] = {1, 2, 3, 4};
    batch_stage(values, 4, multiply, 2);
    batch_stage(values, 4, add, 1);
    batch_stage(values, 4, multiply, 2);
    printf("batch: ");
    for (int i = 0; i < 4; i++)
        printf("%d ", values[i]);
    printf("\n");
}

/* ---- as a stream, by hand ---- */

struct stage {
    weft_chan *done, *in, *out;
    int (*fn)(int v, int by);
    int by;
};

static void stage_ends(struct stage *s)
{
    weft_chan_close(s->out);
    weft_chan_unref(s->out);
    weft_chan_unref(s->in);
    weft_chan_unref(s->done);
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
    stage_ends(s);
}

/* Takes its input over. */
static weft_chan *stage(weft_chan *done, weft_chan *in, int (*fn)(int, int), int by)
{
    weft_chan *out = weft_chan_new(sizeof(int), 0);
    WEFT_GO(run_stage, struct stage, weft_chan_ref(done), in, weft_chan_ref(out), fn, by);
    return out;
}

static void run_generator(void *arg)
{
    struct stage *s = arg;
    for (int v = 1; v <= 4; v++)
        if (WEFT_SELECT(WEFT_RECV(s->done, NULL), WEFT_SEND(s->out, &v)) == 0)
            break;
    stage_ends(s);
}

static weft_chan *generator(weft_chan *done)
{
    weft_chan *out = weft_chan_new(sizeof(int), 0);
    WEFT_GO(run_generator, struct stage, .done = weft_chan_ref(done), .out = weft_chan_ref(out));
    return out;
}

static void stream(void)
{
    weft_chan *done = weft_chan_new(0, 0);
    weft_chan *twice = stage(done, generator(done), multiply, 2);
    weft_chan *out = stage(done, stage(done, twice, add, 1), multiply, 2);
    printf("stream: ");
    WEFT_RANGE(int, v, out) printf("%d ", v);
    printf("\n");
    weft_chan_unref(out);
    weft_chan_close(done); /* the stages have ended already; else this would end them */
    weft_chan_unref(done);
}

/* ---- as a stream of the library's stages ---- */

static void doubled(void *out, const void *in, void *arg)
{
    (void)arg;
    *(int *)out = multiply(*(const int *)in, 2);
}

static void one_more(void *out, const void *in, void *arg)
{
    (void)arg;
    *(int *)out = add(*(const int *)in, 1);
}

static void stages(void)
{
    static const int values[] = {1, 2, 3, 4};
    weft_chan *done = weft_chan_new(0, 0);
    weft_chan *in = weft_take(done, weft_repeat(done, values, 4, sizeof(int)), 4);
    weft_chan *sum =
        weft_map(done, weft_map(done, in, sizeof(int), doubled, NULL), sizeof(int), one_more, NULL);
    weft_chan *out = weft_map(done, sum, sizeof(int), doubled, NULL);
    printf("stages: ");
    WEFT_RANGE(int, v, out) printf("%d ", v);
    printf("\n");
    weft_chan_unref(out);
    weft_chan_close(done); /* repeat would go on */
    weft_chan_unref(done);
}

static void pipeline(void *arg)
{
    (void)arg;
    batch();
    stream();
    stages();
}

int main(void)
{
    return weft_run(pipeline, NULL, NULL);
}
