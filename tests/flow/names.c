/* SPDX-License-Identifier: Apache-2.0
 * names.c - whose goroutine it is: each stage's has its name in reports, that of a panic in the user's function included. */
#include "pieces.h"

static struct test_result result;

/* ---- what a stage's function does ---- */

static void map_panics(void *out, const void *in, void *arg)
{
    int v;
    memcpy(&v, in, sizeof v);
    memcpy(out, &v, sizeof v);
    if (v == 2)
        weft_panic("in %s", (const char *)arg);
}

static bool keep_panics(const void *in, void *arg)
{
    if (*(const int *)in == 2)
        weft_panic("in %s", (const char *)arg);
    return true;
}

static void make_panics(void *out, void *arg)
{
    (void)out;
    weft_panic("in %s", (const char *)arg);
}

static int replica_panics(weft_ctx *ctx, size_t replica, void *out, void *arg)
{
    (void)out;
    if (replica != 1)
        weft_chan_recv(weft_ctx_done(ctx), NULL);
    weft_panic("in %s", (const char *)arg);
}

static weft_chan *ward_panics(weft_chan *done, int64_t pulse_ns, void *arg)
{
    (void)done, (void)pulse_ns;
    weft_panic("in %s", (const char *)arg);
}

/* ---- the panics ---- */

/* Receives what comes before the panic, whose deferred calls close the channel, and waits for the end of the process; which is
 * a deadlock's if nobody has panicked. */
static void wait_for_panic(weft_chan *out)
{
    while (weft_chan_recv(out, NULL))
        ;
    weft_chan_recv(NULL, NULL);
}

static void panic_in_map(void *arg)
{
    wait_for_panic(weft_map(NULL, numbers(5, true), sizeof(int), map_panics, arg));
}

static void panic_in_filter(void *arg)
{
    wait_for_panic(weft_filter(NULL, numbers(5, true), keep_panics, arg));
}

static void panic_in_repeat_fn(void *arg)
{
    wait_for_panic(weft_repeat_fn(NULL, sizeof(int), make_panics, arg));
}

static void panic_in_fan_out(void *arg)
{
    weft_chan *outs[3];
    REQUIRE(weft_fan_out(NULL, numbers(5, true), outs, 3, sizeof(int), map_panics, arg) == 0);
    wait_for_panic(weft_fan_in(NULL, outs, 3));
}

static void panic_in_bridge(void *arg)
{
    weft_chan *streams = weft_chan_new(sizeof(weft_chan *), 2), *one = numbers(2, true);
    (void)arg;
    weft_chan_send(streams, &one);
    one = keep(weft_chan_new(2, 1));
    weft_chan_send(streams, &one);
    wait_for_panic(weft_bridge(NULL, streams, sizeof(int)));
}

static void panic_in_replicate(void *arg)
{
    weft_replicate(NULL, 3, replica_panics, NULL, 0, arg);
}

static void panic_in_steward(void *arg)
{
    wait_for_panic(weft_steward(NULL, WEFT_HOUR, 0, ward_panics, arg));
}

CHILD(map)
{
    test_run(panic_in_map, "a map");
}
CHILD(filter)
{
    test_run(panic_in_filter, "a filter");
}
CHILD(repeat_fn)
{
    test_run(panic_in_repeat_fn, "a source");
}
CHILD(fan_out)
{
    test_run(panic_in_fan_out, "a worker");
}
CHILD(bridge)
{
    test_run(panic_in_bridge, NULL);
}
CHILD(replicate)
{
    test_run(panic_in_replicate, "a replica");
}
CHILD(steward)
{
    test_run(panic_in_steward, "a ward's start");
}

TEST(a_panic_is_told_with_the_stage_s_name)
{
    static const struct {
        const char *child, *text, *stage;
    } panics[] = {
        {"map", "panic: in a map\n\ngoroutine ", " (map) [running]:\n"},
        {"filter", "panic: in a filter\n\ngoroutine ", " (filter) [running]:\n"},
        {"repeat_fn", "panic: in a source\n\ngoroutine ", " (repeat_fn) [running]:\n"},
        {"fan_out", "panic: in a worker\n\ngoroutine ", " (map) [running]:\n"},
        {"bridge", "panic: bridge: element size\n\ngoroutine ", " (bridge) [running]:\n"},
        {"replicate", "panic: in a replica\n\ngoroutine ", " (replicate) [running]:\n"},
        {"steward", "panic: in a ward's start\n\ngoroutine ", " (steward) [running]:\n"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(panics); i++) {
        char creator[64];
        size_t length = strlen(panics[i].text);
        test_note_ = panics[i].child;
        test_spawn(panics[i].child, &result);
        CHECK_EXITED(&result, 2);
        if (strncmp(result.err, panics[i].text, length) != 0) {
            FAIL("%s: stderr is not \"%s...\" but \"%.300s\"", panics[i].child, panics[i].text,
                 result.err);
            continue;
        }
        size_t number = strspn(result.err + length, "0123456789");
        if (strncmp(result.err + length + number, panics[i].stage, strlen(panics[i].stage)) != 0)
            FAIL("%s: no \"%s\" in \"%.300s\"", panics[i].child, panics[i].stage, result.err);
        snprintf(creator, sizeof creator, "\ncreated by panic_in_%s+0x", panics[i].child);
        if (strcmp(panics[i].child, "replicate") != 0) /* which waits for its goroutines */
            CHECK_STR_HAS(result.err, creator);        /* who called weft */
    }
}

/* ---- all of them ---- */

/* How many goroutines of that name the report tells of. */
static int told(const char *text, const char *name)
{
    char wanted[64];
    int n = 0;
    snprintf(wanted, sizeof wanted, " (%s) [", name);
    for (; (text = strstr(text, wanted)); text++)
        n++;
    return n;
}

static int waits_for_end(weft_ctx *ctx, size_t replica, void *out, void *arg)
{
    (void)replica, (void)out, (void)arg;
    weft_chan_recv(weft_ctx_done(ctx), NULL);
    return weft_ctx_err(ctx);
}

static void replicas(void *ctx)
{
    CHECK_EQ(weft_replicate(ctx, 3, waits_for_end, NULL, 0, NULL), -ECANCELED);
}

static weft_chan *no_ward(weft_chan *done, int64_t pulse_ns, void *arg)
{
    (void)done, (void)pulse_ns, (void)arg;
    return NULL;
}

/* One in which nothing comes. */
static weft_chan *idle(void)
{
    return keep(weft_chan_new(sizeof(int), 0));
}

static void fill(void *out, void *arg)
{
    memcpy(out, arg, sizeof(int));
}

enum { OUTS = 15 };

/* One of each, with what they give. */
static void start_all(weft_chan *done, weft_chan **out)
{
    static int one = 1;
    out[0] = weft_or((weft_chan *[]){weft_chan_ref(done)}, 1);
    out[1] = weft_or_done(done, idle());
    out[2] = weft_repeat(done, &one, 1, sizeof one);
    out[3] = weft_repeat_fn(done, sizeof one, fill, &one);
    out[4] = weft_take(done, idle(), 1);
    out[5] = weft_map(done, idle(), sizeof(int), map_panics, NULL);
    out[6] = weft_filter(done, idle(), keep_panics, NULL);
    out[7] = weft_buffer(done, idle(), 1);
    out[8] = weft_fan_in(done, (weft_chan *[]){idle()}, 1);
    out[9] = weft_bridge(done, keep(weft_chan_new(sizeof(weft_chan *), 0)), sizeof(int));
    out[10] = weft_steward(done, WEFT_HOUR, 0, no_ward, NULL);
    CHECK_EQ(weft_tee(done, idle(), &out[11], &out[12]), 0);
    CHECK_EQ(weft_fan_out(done, idle(), &out[13], 2, sizeof(int), map_panics, NULL), 0);
    for (int i = 0; i < OUTS; i++)
        REQUIRE(out[i]);
}

IN_RUN(all_names)
{
    static const struct {
        const char *name;
        int n;
    } names[] = {{"or", 1},     {"or_done", 1}, {"repeat", 1},  {"repeat_fn", 1}, {"take", 1},
                 {"map", 3},    {"filter", 1},  {"buffer", 1},  {"fan_in", 1},    {"tee", 1},
                 {"bridge", 1}, {"pulse", 1},   {"steward", 1}, {"replicate", 3}};
    static char text[1 << 17];
    weft_chan *done = new_done(), *outs[OUTS];
    weft_ctx *ctx = weft_ctx_with_cancel(NULL);
    weft_pulse *pulse = weft_pulse_new(WEFT_HOUR);
    int all = 2; /* with this one and the caller of replicate */
    start_all(done, outs);
    REQUIRE(weft_go(replicas, ctx) == 0);
    for (size_t i = 0; i < TEST_COUNT_OF(names); i++)
        all += names[i].n;
    test_until_goroutines(all);
    test_until_idle();
    CHECK_LT(weft_stack(text, sizeof text, true), sizeof text - 1);
    for (size_t i = 0; i < TEST_COUNT_OF(names); i++)
        if (told(text, names[i].name) != names[i].n)
            FAIL("%s: %d times, not %d, in\n%.800s", names[i].name, told(text, names[i].name),
                 names[i].n, text);
    finish(done);
    weft_ctx_cancel(ctx);
    weft_pulse_unref(pulse);
    for (int i = 0; i < OUTS; i++)
        weft_chan_unref(outs[i]);
    all_is_over();
    weft_ctx_unref(ctx);
}
