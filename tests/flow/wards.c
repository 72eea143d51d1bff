/* SPDX-License-Identifier: Apache-2.0
 * wards.c - heartbeats, replicated requests, stewards. */
#include "pieces.h"

/* ---- pulse ---- */

IN_RUN(one_unread_beat)
{
    weft_pulse *p = weft_pulse_new(0);
    weft_chan *beats = weft_chan_ref(weft_pulse_chan(p));
    CHECK_EQ(weft_chan_try_recv(beats, NULL), -EAGAIN);
    for (int i = 0; i < 3; i++)
        weft_pulse_beat(p);
    CHECK_EQ(weft_chan_try_recv(beats, NULL), 0);
    CHECK_EQ(weft_chan_try_recv(beats, NULL), -EAGAIN);
    weft_pulse_beat(p);
    weft_pulse_unref(weft_pulse_ref(p));
    weft_pulse_unref(p);
    CHECK_EQ(weft_chan_try_recv(beats, NULL), 0);
    CHECK_EQ(weft_chan_try_recv(beats, NULL), -EPIPE);
    CHECK_EQ(beats->refs, 1);
    weft_chan_unref(beats);
    weft_pulse_unref(NULL);
    CHECK(!weft_pulse_ref(NULL));
}

IN_RUN(by_interval)
{
    int64_t begin = weft_now();
    weft_pulse *p = weft_pulse_new(3 * TEST_MS);
    weft_chan *beats = weft_chan_ref(weft_pulse_chan(p));
    for (int i = 1; i <= 5; i++) {
        CHECK(weft_chan_recv(beats, NULL));
        CHECK_GE(weft_now() - begin, i * 3 * TEST_MS);
    }
    weft_pulse_unref(p);
    while (weft_chan_recv(beats, NULL))
        ;
    test_until_goroutines(1);
    TEST_UNTIL(atomic_load(&beats->refs) == 1);
    weft_chan_unref(beats);
}

TEST_NOINLINE static int error_of_pulse(int64_t interval)
{
    errno = 0;
    CHECK(!weft_pulse_new(interval));
    return errno;
}

TEST(pulses_without_a_run)
{
    weft_pulse *p = weft_pulse_new(0);
    weft_pulse_beat(p);
    CHECK(weft_chan_recv(weft_pulse_chan(p), NULL));
    weft_pulse_unref(p);
    CHECK_EQ(error_of_pulse(TEST_MS), ESRCH);
    CHECK_EQ(error_of_pulse(-1), EINVAL);
}

/* ---- replicate ---- */

static struct {
    _Atomic(int) started, cancelled;
    size_t winner; /* 99: nobody */
} race;

static int run_race(weft_ctx *ctx, size_t replica, void *out, void *arg)
{
    CHECK(arg == &race);
    *(int *)out = -1;
    race.started++;
    if (replica == race.winner) {
        TEST_UNTIL(race.started == 10);
        *(int *)out = (int)replica * 11;
        return 0;
    }
    if (race.winner == 99)
        return -(int)replica - 1;
    weft_chan_recv(weft_ctx_done(ctx), NULL);
    race.cancelled++;
    *(int *)out = -2;
    return weft_ctx_err(ctx);
}

IN_RUN(first_answer_wins)
{
    for (size_t winner = 0; winner < 10; winner += 3) {
        int out = 7;
        race.started = race.cancelled = 0;
        race.winner = winner;
        CHECK_EQ(weft_replicate(NULL, 10, run_race, &out, sizeof out, &race), 0);
        CHECK_EQ(out, (int)winner * 11);
        CHECK_EQ(race.cancelled, 9);
        test_until_goroutines(1);
    }
}

IN_RUN(all_fail)
{
    int out = 7;
    race.started = 0;
    race.winner = 99;
    int rc = weft_replicate(NULL, 10, run_race, &out, sizeof out, &race);
    CHECK(rc <= -1 && rc >= -10);
    CHECK_EQ(out, 7);
    race.winner = 50; /* it never comes: they wait for the context */
    weft_ctx *ctx = weft_ctx_with_cancel(NULL);
    weft_ctx_cancel(ctx);
    CHECK_EQ(weft_replicate(ctx, 4, run_race, &out, sizeof out, &race), -ECANCELED);
    CHECK_EQ(out, 7);
    weft_ctx_unref(ctx);
    CHECK_EQ(weft_replicate(NULL, 0, run_race, &out, sizeof out, &race), -EINVAL);
    CHECK_EQ(weft_replicate(NULL, 1, NULL, &out, sizeof out, &race), -EINVAL);
    CHECK_EQ(weft_replicate(NULL, SIZE_MAX / 4, run_race, &out, 64, &race), -ENOMEM);
}

/* The second returns when the first has gone. */
static int in_turn(weft_ctx *ctx, size_t replica, void *out, void *arg)
{
    const int *results = arg;
    TEST_UNTIL(replica == 0 || weft_num_goroutine() == 2);
    CHECK(replica == 0 || results[0] || weft_ctx_err(ctx)); /* a success ends the others' context */
    *(int *)out = (int)replica;
    return results[replica];
}

/* Goal: the first success gives the answer, and where there is none, the first failure the result; not the last. */
IN_RUN(the_first_decides)
{
    int out = 7;
    CHECK_EQ(weft_replicate(NULL, 2, in_turn, &out, sizeof out, (int[]){-EIO, -EPIPE}), -EIO);
    CHECK_EQ(out, 7);
    CHECK_EQ(weft_replicate(NULL, 2, in_turn, &out, sizeof out, (int[]){0, 0}), 0);
    CHECK_EQ(out, 0);
    CHECK_EQ(weft_replicate(NULL, 2, in_turn, &out, sizeof out, (int[]){-EIO, 0}), 0);
    CHECK_EQ(out, 1);
}

static struct {
    weft_ctx *ctx; /* that of all */
    int at;        /* the one that ends it, in the order of their coming */
    bool succeeds; /* and then gives an answer */
    _Atomic(int) came, left;
} cut;

static int cut_off(weft_ctx *ctx, size_t replica, void *out, void *arg)
{
    (void)replica, (void)arg;
    int number = cut.came++, rc = 0;
    if (number == cut.at)
        weft_ctx_cancel(cut.ctx);
    *(int *)out = number;
    if (number != cut.at || !cut.succeeds) {
        weft_chan_recv(weft_ctx_done(ctx), NULL);
        rc = weft_ctx_err(ctx);
    }
    cut.left++;
    return rc;
}

/* Goal: whenever the caller's context ends, all come to an end, and the one that has an answer even so gives it. */
IN_RUN(ended_at_each_replica)
{
    enum { REPLICAS = 5 };
    for (int round = 0; round < test_scale(100); round++) {
        for (int way = 0; way < 2 * REPLICAS; way++) {
            int out = 77;
            cut.ctx = weft_ctx_with_cancel(NULL);
            cut.at = way / 2;
            cut.succeeds = way % 2;
            cut.came = cut.left = 0;
            CHECK_EQ(weft_replicate(cut.ctx, REPLICAS, cut_off, &out, sizeof out, NULL),
                     cut.succeeds ? 0 : -ECANCELED);
            CHECK_EQ(out, cut.succeeds ? cut.at : 77);
            CHECK_EQ(cut.left, REPLICAS);
            test_until_goroutines(1);
            weft_ctx_unref(cut.ctx);
        }
    }
}

static int exits(weft_ctx *ctx, size_t replica, void *out, void *arg)
{
    (void)ctx, (void)replica, (void)out, (void)arg;
    weft_goexit();
}

IN_RUN(all_leave)
{
    CHECK_EQ(weft_replicate(NULL, 3, exits, NULL, 0, NULL), -ECANCELED);
}

TEST(replicate_without_a_run)
{
    CHECK_EQ(weft_replicate(NULL, 3, exits, NULL, 0, NULL), -ESRCH);
}

/* ---- steward ---- */

static struct {
    _Atomic(int) started, ended;
    int silent;  /* that many of the first never beat */
    int closing; /* and that many close their heartbeat at once */
    int64_t pulse_ns;
} wards;

struct ward {
    weft_chan *done;
    weft_pulse *pulse;
    int64_t pulse_ns;
};

static void work(void *arg)
{
    struct ward *w = arg;
    int64_t next = weft_now() + w->pulse_ns;
    while (weft_chan_recv_until(w->done, NULL, next) == -ETIMEDOUT) {
        next += w->pulse_ns;
        weft_pulse_beat(w->pulse);
    }
    weft_pulse_unref(w->pulse);
    weft_chan_unref(w->done);
    free(w);
    wards.ended++;
}

static void ignore(void *arg)
{
    struct ward *w = arg;
    weft_chan_recv(w->done, NULL);
    weft_pulse_unref(w->pulse);
    weft_chan_unref(w->done);
    free(w);
    wards.ended++;
}

static weft_chan *start_ward(weft_chan *done, int64_t pulse_ns, void *arg)
{
    CHECK(arg == &wards);
    CHECK_EQ(pulse_ns, wards.pulse_ns);
    int number = wards.started++;
    weft_pulse *pulse = weft_pulse_new(0);
    weft_chan *heartbeat = weft_chan_ref(weft_pulse_chan(pulse));
    if (number < wards.closing) {
        weft_pulse_unref(pulse);
        wards.ended++;
        return heartbeat;
    }
    struct ward *w = malloc(sizeof *w);
    *w = (struct ward){.done = weft_chan_ref(done), .pulse = pulse, .pulse_ns = pulse_ns};
    REQUIRE(weft_go(number < wards.silent ? ignore : work, w) == 0);
    return heartbeat;
}

IN_RUN(a_silent_ward_is_replaced)
{
    wards.started = wards.ended = 0;
    wards.closing = 2;
    wards.silent = 5;
    wards.pulse_ns = 2 * TEST_MS;
    weft_chan *done = new_done();
    int64_t begin = weft_now();
    weft_chan *beats = weft_steward(done, 4 * TEST_MS, TEST_MS, start_ward, &wards);
    for (int i = 0; i < 3; i++)
        CHECK(weft_chan_recv(beats, NULL));
    TEST_UNTIL(wards.started >= 6);
    CHECK_GE(weft_now() - begin, 3 * 4 * TEST_MS);
    TEST_UNTIL(wards.ended >= 5);
    finish(done);
    while (weft_chan_recv(beats, NULL))
        ;
    weft_chan_unref(beats);
    all_is_over();
    CHECK_EQ(wards.ended, wards.started);
}

/* Goal: a heartbeat that closes is reason enough, however long the timeout. */
IN_RUN(a_ward_that_ends_is_replaced_at_once)
{
    wards.started = wards.ended = wards.silent = 0;
    wards.closing = 3;
    wards.pulse_ns = WEFT_HOUR;
    weft_chan *done = new_done();
    weft_chan *beats = weft_steward(done, 2 * WEFT_HOUR, 0, start_ward, &wards);
    TEST_UNTIL(wards.started == 4);
    test_until_parked(2);
    CHECK_EQ(wards.started, 4);
    finish(done);
    CHECK(!weft_chan_recv(beats, NULL));
    weft_chan_unref(beats);
    all_is_over();
}

/* done closes before the steward starts (k below 0), or after its kth beat; the caller waits for its end, or has gone. */
static void stop_at_beat(int k, bool goes_on)
{
    weft_chan *done = new_done();
    wards.started = wards.ended = 0;
    if (k < 0)
        weft_chan_close(done);
    weft_chan *beats =
        keep(weft_steward(done, 2 * wards.pulse_ns, TEST_MS / 20, start_ward, &wards));
    for (int i = 0; i < k; i++)
        CHECK(weft_chan_recv(beats, NULL));
    if (k >= 0)
        weft_chan_close(done);
    while (goes_on && weft_chan_recv(beats, NULL))
        ;
    weft_chan_unref(beats);
    weft_chan_unref(done);
    all_is_over();
    CHECK_EQ(wards.ended, wards.started);
}

/* Goal: wherever it is, it ends with its wards: one that works, ones that are silent, ones that end at once. */
IN_RUN(a_steward_stops_anywhere)
{
    static const struct {
        int closing, silent;
        int64_t pulse_ns;
    } ways[] = {{0, 0, WEFT_HOUR}, {0, 1000000, TEST_MS / 10}, {1000000, 0, WEFT_HOUR}};
    for (int round = 0; round < test_scale(20); round++) {
        for (size_t way = 0; way < TEST_COUNT_OF(ways); way++) {
            wards.closing = ways[way].closing;
            wards.silent = ways[way].silent;
            wards.pulse_ns = ways[way].pulse_ns;
            for (int k = -1; k <= 5; k++) {
                stop_at_beat(k, false);
                stop_at_beat(k, true);
            }
        }
    }
}

/* Closes the steward's done when it has started so many. */
static struct {
    weft_chan *done;
    int at;
} closing;

static weft_chan *close_at_start(weft_chan *done, int64_t pulse_ns, void *arg)
{
    weft_chan *heartbeat = start_ward(done, pulse_ns, arg);
    if (wards.started == closing.at)
        weft_chan_close(closing.done);
    return heartbeat;
}

IN_RUN(a_steward_is_stopped_while_a_ward_starts)
{
    wards.silent = 0;
    wards.pulse_ns = WEFT_HOUR;
    for (int at = 1; at <= 5; at++) {
        for (int last_ends = 0; last_ends < 2; last_ends++) {
            closing.done = new_done();
            closing.at = at;
            wards.started = wards.ended = 0;
            wards.closing = at - 1 + 1000 * last_ends;
            weft_chan *beats =
                keep(weft_steward(closing.done, 2 * WEFT_HOUR, 0, close_at_start, &wards));
            CHECK(!weft_chan_recv(beats, NULL));
            weft_chan_unref(beats);
            weft_chan_unref(closing.done);
            all_is_over();
            CHECK_GE(wards.started, at);
            CHECK_EQ(wards.ended, wards.started);
        }
    }
}

static weft_chan *no_ward(weft_chan *done, int64_t pulse_ns, void *arg)
{
    (void)done, (void)pulse_ns;
    ++*(_Atomic(int) *)arg;
    return NULL;
}

IN_RUN(a_ward_that_can_not_start)
{
    _Atomic(int) tries = 0;
    weft_chan *done = new_done();
    weft_chan *beats = weft_steward(done, TEST_MS, 0, no_ward, &tries);
    TEST_UNTIL(tries >= 3);
    finish(done);
    CHECK(!weft_chan_recv(beats, NULL));
    weft_chan_unref(beats);
    all_is_over();
}
