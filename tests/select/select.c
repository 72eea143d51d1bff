/* SPDX-License-Identifier: Apache-2.0
 * select.c - weft_select: Go's rules, line by line (SEL). */
#include "../test.h"

/* ---- what can go ahead ---- */

static void ready_cases(void *arg)
{
    int x = 0, y = 7;
    bool ok = false;
    weft_chan *a = weft_chan_new(sizeof(int), 1), *b = weft_chan_new(sizeof(int), 0);
    (void)arg;
    CHECK_EQ(WEFT_SELECT(WEFT_DEFAULT), 0);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(a, &x), WEFT_DEFAULT), 1);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(a, &x), WEFT_RECV(b, &x), WEFT_SEND(b, &y), WEFT_DEFAULT), 3);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(a, &x), WEFT_SEND(a, &y)), 1);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV_OK(a, &x, &ok), WEFT_SEND(a, &y), WEFT_RECV(b, NULL)), 0);
    CHECK_EQ(x, 7);
    CHECK(ok);
    /* NULL channels are left out (SEL-02). */
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(NULL, &x), WEFT_SEND(NULL, &y), WEFT_DEFAULT), 2);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(NULL, &x), WEFT_SEND(a, &y), WEFT_SEND(NULL, &y)), 1);
    CHECK_EQ(weft_chan_len(a), 1);
    /* Closed: a receive is ready, drained first (SEL-15). */
    weft_chan_close(a);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV_OK(a, &x, &ok), WEFT_DEFAULT), 0);
    CHECK(ok);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV_OK(a, &x, &ok), WEFT_DEFAULT), 0);
    CHECK(!ok);
    CHECK_EQ(x, 0);
    weft_chan_unref(a);
    weft_chan_unref(b);
}

TEST(the_case_that_can_go_ahead_runs)
{
    /* Goal: readiness of sends, receives, default, NULL and closed channels; on goroutines and threads. */
    CHECK_EQ(test_run(ready_cases, NULL), 0);
    ready_cases(NULL);
}

static int evaluated[8], evaluations;

static weft_chan *note_chan(int i, weft_chan *ch)
{
    evaluated[evaluations++] = i;
    return ch;
}

TEST(operands_are_evaluated_once_in_order)
{
    /* Goal: SEL-09. Method: operands that take notes, in winning, losing and NULL cases. */
    int x, y = 1;
    weft_chan *a = weft_chan_new(sizeof(int), 1);
    evaluations = 0;
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(note_chan(0, NULL), &x), WEFT_RECV(note_chan(1, a), &x),
                         WEFT_SEND(note_chan(2, a), &y), WEFT_DEFAULT),
             2);
    CHECK_EQ(evaluations, 3);
    for (int i = 0; i < evaluations; i++)
        CHECK_EQ(evaluated[i], i);
    weft_chan_unref(a);
}

/* ---- which of several ---- */

static void check_share(int n, int of, double p)
{
    double mean = of * p, deviation = 6 * __builtin_sqrt(of * p * (1 - p));
    if (n < mean - deviation || n > mean + deviation)
        FAIL("%d of %d, not about %.0f", n, of, mean);
}

TEST(the_choice_is_uniform)
{
    /* Goal: SEL-03, SEL-04, SEL-12: each ready case has the same chance, whichever are ready and wherever
     * they stand; a channel counts once a case. Method: closed channels, every subset of five; 6 sigma. */
    int rounds = test_scale(20000) + 2000;
    weft_chan *closed = weft_chan_new(0, 0), *idle = weft_chan_new(0, 0);
    weft_chan_close(closed);
    for (unsigned subset = 1; subset < 32; subset++) {
        int hits[5] = {0}, ready = __builtin_popcount(subset);
        for (int r = 0; r < rounds; r++) {
            weft_case cases[5];
            for (int i = 0; i < 5; i++)
                cases[i] = WEFT_RECV(subset >> i & 1 ? closed : idle, NULL);
            int got = weft_select(cases, 5);
            REQUIRE(got >= 0 && got < 5);
            hits[got]++;
        }
        for (int i = 0; i < 5; i++) {
            if (subset >> i & 1)
                check_share(hits[i], rounds, 1.0 / ready);
            else
                CHECK_EQ(hits[i], 0);
        }
    }
    weft_chan_unref(closed);
    weft_chan_unref(idle);
}

TEST(random_sends_and_receives_on_one_channel)
{
    /* Goal: SEL-06, SEL-13: 0 and 1 sent at random; empty only sends, full only receives. */
    int zero = 0, one = 1, x, counts[2] = {0};
    weft_chan *c = weft_chan_new(sizeof(int), 100);
    for (int i = 0; i < 100; i++)
        CHECK_LE(WEFT_SELECT(WEFT_SEND(c, &zero), WEFT_SEND(c, &one)), 1);
    CHECK_EQ(WEFT_SELECT(WEFT_SEND(c, &zero), WEFT_RECV(c, &x)), 1);
    CHECK_EQ(weft_chan_try_send(c, &x), 0);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(weft_chan_try_recv(c, &x), 0);
        counts[x]++;
    }
    CHECK_GT(counts[0], 15);
    CHECK_GT(counts[1], 15);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(c, &x), WEFT_SEND(c, &zero)), 1);
    int sends = 0;
    for (int i = 0; i < 2000; i++) {
        if (weft_chan_len(c) == 0 || weft_chan_len(c) == 100) {
            while (weft_chan_len(c) < 50)
                weft_chan_send(c, &one);
            while (weft_chan_len(c) > 50)
                weft_chan_recv(c, &x);
        }
        sends += WEFT_SELECT(WEFT_SEND(c, &zero), WEFT_RECV(c, &x)) == 0;
    }
    check_share(sends, 2000, 0.5);
    weft_chan_unref(c);
}

/* ---- waiting ---- */

enum { CHANS = 8 };
static weft_chan *chans[CHANS];
static weft_waitgroup done;
static atomic_int counted;

static void make_chans(size_t cap)
{
    for (int i = 0; i < CHANS; i++)
        chans[i] = weft_chan_new(sizeof(int), cap);
}

static void drop_chans(void)
{
    for (int i = 0; i < CHANS; i++)
        weft_chan_unref(chans[i]);
}

static void receive_from_any(void *arg)
{
    weft_case cases[CHANS];
    int x = -1;
    bool ok = false;
    for (int i = 0; i < CHANS; i++)
        cases[i] = WEFT_RECV_OK(chans[i], &x, &ok);
    int got = weft_select(cases, CHANS);
    CHECK(ok);
    CHECK_EQ(x, 100 + got);
    CHECK_EQ(got, (int)(intptr_t)arg);
    weft_waitgroup_done(&done);
}

static void *receive_on_thread(void *arg)
{
    receive_from_any(arg);
    return NULL;
}

static void send_to_any(void *arg)
{
    weft_case cases[CHANS];
    int values[CHANS];
    for (int i = 0; i < CHANS; i++) {
        values[i] = 200 + i;
        cases[i] = WEFT_SEND(chans[i], &values[i]);
    }
    CHECK_EQ(weft_select(cases, CHANS), (int)(intptr_t)arg);
    weft_waitgroup_done(&done);
}

static void woken_by_each(void *arg)
{
    size_t cap = *(size_t *)arg;
    make_chans(cap);
    for (intptr_t i = 0; i < CHANS; i++) {
        int x = 100 + (int)i;
        weft_waitgroup_add(&done, 1);
        CHECK_EQ(weft_go(receive_from_any, (void *)i), 0);
        test_until_parked(1);
        CHECK_EQ(weft_chan_try_send(chans[i], &x), 0);
        weft_waitgroup_wait(&done);
        for (int k = 0; k < CHANS && cap == 0; k++)
            CHECK_EQ(weft_chan_try_send(chans[k], &x), -EAGAIN); /* none is registered any more */
        for (int k = 0; k < CHANS; k++)
            CHECK_EQ(weft_chan_len(chans[k]), 0);
    }
    for (int k = 0; k < CHANS; k++)
        while (weft_chan_try_send(chans[k], &k) == 0)
            ;
    for (intptr_t i = 0; i < CHANS; i++) {
        int x = -1;
        weft_waitgroup_add(&done, 1);
        CHECK_EQ(weft_go(send_to_any, (void *)i), 0);
        test_until_parked(1);
        for (size_t k = 0; k < cap; k++)
            CHECK_EQ(weft_chan_try_recv(chans[i], &x), 0);
        if (cap == 0) {
            CHECK_EQ(weft_chan_try_recv(chans[i], &x), 0);
            CHECK_EQ(x, 200 + i);
        }
        weft_waitgroup_wait(&done);
        if (cap > 0) {
            CHECK_EQ(weft_chan_len(chans[i]), 1);
            CHECK_EQ(weft_chan_try_recv(chans[i], &x), 0);
            CHECK_EQ(x, 200 + i);
            while (weft_chan_try_send(chans[i], &x) == 0)
                ;
        }
        for (int k = 0; k < CHANS && cap == 0; k++)
            CHECK_EQ(weft_chan_try_recv(chans[k], &x), -EAGAIN);
    }
    drop_chans();
}

TEST(each_case_wakes_it_once)
{
    /* Goal: SEL-14: woken by a partner on any of its channels; nothing of it is left on the others. */
    for (size_t cap = 0; cap < 4; cap++)
        CHECK_EQ(test_run(woken_by_each, &cap), 0);
}

static void foreign_selects(void *arg)
{
    (void)arg;
    make_chans(0);
    for (intptr_t i = 0; i < CHANS; i++) {
        pthread_t thread;
        int x = 100 + (int)i;
        weft_waitgroup_add(&done, 1);
        REQUIRE(pthread_create(&thread, NULL, receive_on_thread, (void *)i) == 0);
        weft_chan_send(chans[i], &x);
        weft_waitgroup_wait(&done);
        pthread_join(thread, NULL);
    }
    drop_chans();
}

TEST(threads_select)
{
    /* Goal: selects on foreign threads, with goroutines and without a run. */
    for (int i = 0; i < test_scale(30); i++) {
        CHECK_EQ(test_run(foreign_selects, NULL), 0);
        foreign_selects(NULL);
    }
}

static void both_ways(void *arg)
{
    int mine = (int)(intptr_t)arg, other = 0;
    for (int i = 0; i < 3; i++) {
        weft_case cases[] = {WEFT_SEND(chans[0], &mine), WEFT_RECV(chans[0], &other),
                             WEFT_SEND(chans[0], &mine), WEFT_RECV(chans[1], &other)};
        int got = weft_select(cases, 4);
        atomic_fetch_add(&counted, got == 1 || got == 3 ? other : 0);
    }
    weft_waitgroup_done(&done);
}

static void meet_both_ways(void *arg)
{
    int x = 0, seven = 7;
    (void)arg;
    make_chans(0);
    /* One alone doesn't meet itself. */
    weft_waitgroup_add(&done, 1);
    CHECK_EQ(weft_go(both_ways, (void *)5), 0);
    test_until_parked(1);
    CHECK_EQ(weft_chan_try_recv(chans[0], &x), 0);
    CHECK_EQ(x, 5);
    test_until_idle();
    CHECK_EQ(weft_chan_try_send(chans[0], &seven), 0);
    test_until_idle();
    CHECK_EQ(weft_chan_try_send(chans[1], &seven), 0);
    weft_waitgroup_wait(&done);
    CHECK_EQ(atomic_load(&counted), 14);
    /* Two meet each other. */
    weft_waitgroup_add(&done, 2);
    CHECK_EQ(weft_go(both_ways, (void *)1), 0);
    CHECK_EQ(weft_go(both_ways, (void *)1), 0);
    weft_waitgroup_wait(&done);
    CHECK_EQ(atomic_load(&counted), 17);
    drop_chans();
}

TEST(the_same_channel_in_both_directions)
{
    /* Goal: an unbuffered channel in send and receive cases: no meeting with oneself, but with others. */
    for (int i = 0; i < test_scale(200); i++) {
        atomic_store(&counted, 0);
        CHECK_EQ(test_run(meet_both_ways, NULL), 0);
    }
}

/* ---- closing ---- */

static void await_close(void *arg)
{
    weft_case cases[CHANS];
    int x = -1;
    bool ok = true;
    for (int i = 0; i < CHANS; i++)
        cases[i] = WEFT_RECV_OK(chans[i], &x, &ok);
    CHECK_EQ(weft_select(cases, CHANS), (int)(intptr_t)arg);
    CHECK(!ok);
    CHECK_EQ(x, 0);
    weft_waitgroup_done(&done);
}

static void closes(void *arg)
{
    size_t cap = *(size_t *)arg;
    for (intptr_t i = 0; i < CHANS; i++) {
        make_chans(cap);
        weft_waitgroup_add(&done, 20);
        for (int k = 0; k < 20; k++)
            CHECK_EQ(weft_go(await_close, (void *)i), 0);
        test_until_parked(20);
        weft_chan_close(chans[i]);
        weft_waitgroup_wait(&done);
        drop_chans();
    }
}

TEST(close_wakes_selects)
{
    /* Goal: CH-21, SEL-15: receive cases complete with false, each goroutine once. */
    for (size_t cap = 0; cap < 3; cap++)
        CHECK_EQ(test_run(closes, &cap), 0);
}

static void select_send(void *arg)
{
    int x = 1;
    weft_chan *c = arg;
    WEFT_SELECT(WEFT_SEND(c, &x), WEFT_RECV(NULL, NULL));
}

static void close_selected_send(void *arg)
{
    weft_chan *c = weft_chan_new(sizeof(int), 0);
    (void)arg;
    CHECK_EQ(weft_go(select_send, c), 0);
    test_until_parked(1);
    weft_chan_close(c);
    test_until_goroutines(1);
}

CHILD(send_case_closed_later)
{
    test_run(close_selected_send, NULL);
}

CHILD(send_case_on_closed)
{
    int x = 1;
    weft_chan *c = weft_chan_new(sizeof(int), 1);
    weft_chan_close(c);
    WEFT_SELECT(WEFT_SEND(c, &x), WEFT_DEFAULT);
}

CHILD(two_defaults)
{
    WEFT_SELECT(WEFT_DEFAULT, WEFT_DEFAULT);
}

CHILD(too_many_cases)
{
    weft_case *cases = calloc(65537, sizeof(*cases));
    cases[0] = WEFT_DEFAULT;
    weft_select(cases, 65537);
}

TEST(misuse_panics_in_gos_words)
{
    /* Goal: SEL-08, SEL-15 and the limits. */
    static const struct {
        const char *child, *text;
    } cases[] = {
        {"send_case_closed_later", "panic: send on closed channel\n\ngoroutine "},
        {"send_case_on_closed", "panic: send on closed channel"},
        {"two_defaults", "panic: select: more than one default"},
        {"too_many_cases", "panic: select: too many cases"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(cases); i++) {
        static struct test_result result;
        test_spawn(cases[i].child, &result);
        CHECK_EXITED(&result, 2);
        CHECK_STR_HAS(result.err, cases[i].text);
        /* The first is the one that panics: not main, which closed it and may run. */
        if (strstr(cases[i].text, "goroutine"))
            CHECK(!strstr(result.err, "channel\n\ngoroutine 1 [running]"));
    }
}

/* ---- time ---- */

static void afters(void *arg)
{
    int x;
    weft_chan *c = weft_chan_new(sizeof(int), 0);
    (void)arg;
    int64_t begin = weft_now();
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(c, &x), WEFT_AFTER(WEFT_HOUR), WEFT_AFTER(2 * WEFT_MILLISECOND),
                         WEFT_AFTER(INT64_MAX)),
             2);
    CHECK_GE(weft_now() - begin, 2 * WEFT_MILLISECOND);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(c, &x), WEFT_AFTER(0)), 1);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(c, &x), WEFT_AFTER(-1), WEFT_AFTER(WEFT_HOUR)), 1);
    CHECK_EQ(WEFT_SELECT(WEFT_AFTER(WEFT_MILLISECOND)), 0);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(NULL, &x), WEFT_AFTER(WEFT_MILLISECOND)), 1);
    CHECK_EQ(WEFT_SELECT(WEFT_AFTER(WEFT_HOUR), WEFT_DEFAULT), 1);
    CHECK_EQ(weft_chan_try_send(c, &x), -EAGAIN);
    weft_chan_unref(c);
}

TEST(after_passes)
{
    /* Goal: WEFT_AFTER: the earliest, <= 0 at once, beside channels or alone; goroutines and threads. */
    CHECK_EQ(test_run(afters, NULL), 0);
    afters(NULL);
}

/* ---- for ever ---- */

static void select_nothing(void *arg)
{
    weft_select(NULL, 0);
    atomic_fetch_add(&counted, 1);
    (void)arg;
}

static void select_nulls(void *arg)
{
    WEFT_SELECT(WEFT_RECV(NULL, NULL), WEFT_SEND(NULL, NULL));
    atomic_fetch_add(&counted, 1);
    (void)arg;
}

static void blocked(void *arg)
{
    (void)arg;
    atomic_store(&counted, 0);
    CHECK_EQ(weft_go(select_nothing, NULL), 0);
    CHECK_EQ(weft_go(select_nulls, NULL), 0);
    test_until_parked(2);
    test_until_idle();
    CHECK_EQ(atomic_load(&counted), 0);
}

TEST(nothing_to_select_blocks)
{
    /* Goal: SEL-01, SEL-02. */
    CHECK_EQ(test_run(blocked, NULL), 0);
}

/* ---- many ---- */

static void many_cases(void *arg)
{
    int n = *(int *)arg, x = 3;
    weft_case *cases = calloc((size_t)n, sizeof(*cases));
    weft_chan **many = calloc((size_t)n, sizeof(*many));
    for (int i = 0; i < n; i++) {
        many[i] = weft_chan_new(sizeof(int), 0);
        cases[i] = WEFT_RECV(many[i], &x);
    }
    int at = n / 3;
    cases[n - 1] = WEFT_AFTER(WEFT_MILLISECOND);
    CHECK_EQ(weft_select(cases, (size_t)n), n - 1);
    weft_chan_close(many[at]);
    CHECK_EQ(weft_select(cases, (size_t)n), at);
    for (int i = 0; i < n; i++)
        weft_chan_unref(many[i]);
    free(many);
    free(cases);
}

TEST(selects_of_many_cases)
{
    /* Goal: SEL-18, up to 65536 cases, on an ordinary goroutine's stack. */
    static const int sizes[] = {2, 100, 1000, 65536};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++) {
        int n = test_instrumented() && sizes[i] > 2000 ? 2000 : sizes[i];
        CHECK_EQ(test_run(many_cases, &n), 0);
    }
}

/* ---- the end of a run ---- */

static void park_in_everything(void *arg)
{
    weft_chan *c = arg;
    int x = 1;
    WEFT_SELECT(WEFT_RECV(c, &x), WEFT_SEND(c, &x), WEFT_RECV(chans[0], &x), WEFT_AFTER(WEFT_HOUR));
}

static void park_in_recv(void *arg)
{
    weft_chan_recv(arg, NULL);
}

static void park_in_until(void *arg)
{
    weft_chan_recv_until(arg, NULL, weft_now() + WEFT_HOUR);
}

static void leave_waiters(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(park_in_everything, chans[1]), 0);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(weft_go(park_in_recv, chans[2]), 0);
        CHECK_EQ(weft_go(park_in_until, chans[2]), 0);
        CHECK_EQ(weft_go(park_in_until, chans[3]), 0);
    }
    test_until_parked(13);
}

static void find_none(void *arg)
{
    int x = 1;
    (void)arg;
    for (int i = 0; i < CHANS; i++) {
        CHECK_EQ(weft_chan_try_send(chans[i], &x), -EAGAIN);
        CHECK_EQ(weft_chan_try_recv(chans[i], &x), -EAGAIN);
    }
}

TEST(a_run_that_ends_takes_its_waiters_along)
{
    /* Goal: channels that outlive a run have no waiters of it. Method: receivers, selects and deadlines left
     * parked; the next run, or a thread, finds nobody; freeing is allowed. */
    for (int i = 0; i < 20; i++) {
        make_chans(0);
        CHECK_EQ(test_run(leave_waiters, NULL), 0);
        if (i % 2)
            find_none(NULL);
        CHECK_EQ(test_run(find_none, NULL), 0);
        drop_chans();
    }
}
