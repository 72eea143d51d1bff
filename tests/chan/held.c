/* SPDX-License-Identifier: Apache-2.0
 * held.c - a thread that is stopped anywhere inside an operation holds up nobody but its own partner.
 *
 * A foreign thread is held at the 1st, 2nd, 3rd ... atomic operation of a call, until the call has no more of them. While
 * it is held, two pairs of goroutines must get elements through the same channel; then it goes on, and in the end
 * every element has arrived once. (One goroutine may wait for the one that is held: it was claimed by it. So there
 * are two on each side.) */
#include "../test.h"

#include "runtime/hooks.h"

enum op {
    OP_SEND,
    OP_RECV,
    OP_TRY_SEND,
    OP_TRY_RECV,
    OP_SEND_UNTIL,
    OP_RECV_UNTIL,
    OP_SELECT_SEND,
    OP_SELECT_RECV,
    OP_SELECT_BOTH,
    OP_CLOSE,
    OPS
};

static const char *const op_names[OPS] = {"send",        "recv",       "try_send",    "try_recv",
                                          "send_until",  "recv_until", "select-send", "select-recv",
                                          "select-both", "close"};

enum { BYTES_MAX = 24, ENOUGH = 20 };

/* Elements without size, in the cell, in a cell that is filled by a CAS of 16 bytes, in nodes. */
static const struct form {
    size_t bytes;
    uint64_t wide;
} forms[] = {{0, 0}, {8, 0}, {8, UINT64_C(1) << 40}, {24, 0}};

static weft_chan *ch, *other;
static enum op op;
static unsigned hold_at;
static struct form form;
static atomic_bool victim_armed, victim_done, stop;
static atomic_long sent, received;
static weft_waitgroup workers;

static void victim_call(void)
{
    uint64_t elem[BYTES_MAX / 8] = {form.wide | 1, 2, 3}, out[BYTES_MAX / 8];
    bool ok = true;
    switch (op) {
    case OP_SEND:
        weft_chan_send(ch, elem);
        atomic_fetch_add(&sent, 1);
        return;
    case OP_RECV:
        atomic_fetch_add(&received, weft_chan_recv(ch, out));
        return;
    case OP_TRY_SEND:
        atomic_fetch_add(&sent, weft_chan_try_send(ch, elem) == 0);
        return;
    case OP_TRY_RECV:
        atomic_fetch_add(&received, weft_chan_try_recv(ch, out) == 0);
        return;
    case OP_SEND_UNTIL:
        atomic_fetch_add(&sent, weft_chan_send_until(ch, elem, weft_now() + TEST_MS) == 0);
        return;
    case OP_RECV_UNTIL:
        atomic_fetch_add(&received, weft_chan_recv_until(ch, out, weft_now() + TEST_MS) == 0);
        return;
    case OP_SELECT_SEND:
        if (WEFT_SELECT(WEFT_SEND(ch, elem), WEFT_RECV(other, out), WEFT_AFTER(TEST_MS)) == 0)
            atomic_fetch_add(&sent, 1);
        return;
    case OP_SELECT_RECV:
        if (WEFT_SELECT(WEFT_RECV_OK(ch, out, &ok), WEFT_SEND(other, elem), WEFT_AFTER(TEST_MS)) ==
            0)
            atomic_fetch_add(&received, ok);
        return;
    case OP_SELECT_BOTH:
        switch (WEFT_SELECT(WEFT_SEND(ch, elem), WEFT_RECV_OK(ch, out, &ok), WEFT_AFTER(TEST_MS))) {
        case 0:
            atomic_fetch_add(&sent, 1);
            return;
        case 1:
            atomic_fetch_add(&received, ok);
        }
        return;
    case OP_CLOSE:
    default:
        weft_chan_close(ch);
    }
}

static void *victim(void *arg)
{
    (void)arg;
    CHECK(weft_priv_hold_at(hold_at));
    atomic_store(&victim_armed, true);
    victim_call();
    weft_priv_hold_at(0);
    atomic_store(&victim_done, true);
    return NULL;
}

static void sender(void *arg)
{
    uint64_t elem[BYTES_MAX / 8] = {form.wide | 4, 5, 6};
    bool plain = arg && op != OP_CLOSE;
    while (!atomic_load(&stop)) {
        if (plain) {
            weft_chan_send(ch, elem);
            atomic_fetch_add(&sent, 1);
        } else if (weft_chan_send_until(ch, elem, weft_now() + WEFT_HOUR) == 0) {
            atomic_fetch_add(&sent, 1);
        } else {
            break;
        }
    }
    weft_waitgroup_done(&workers);
}

static void receiver(void *arg)
{
    uint64_t out[BYTES_MAX / 8];
    for (;;) {
        bool got = arg ? weft_chan_recv(ch, out)
                       : weft_chan_recv_until(ch, out, weft_now() + WEFT_HOUR) == 0;
        if (!got)
            break;
        CHECK(form.bytes == 0 || out[0] == (form.wide | 1) || out[0] == (form.wide | 4));
        CHECK(form.bytes <= 8 || out[2] == out[0] + 2);
        atomic_fetch_add(&received, 1);
    }
    weft_waitgroup_done(&workers);
}

/* Senders only, or receivers only, for a while, so that it meets a full or an empty channel with waiters. */
static void start_workers(bool senders_first)
{
    weft_waitgroup_add(&workers, 4);
    for (intptr_t i = 0; i < 2; i++)
        CHECK_EQ(weft_go(senders_first ? sender : receiver, (void *)i), 0);
}

static void start_the_others(bool senders_first)
{
    for (intptr_t i = 0; i < 2; i++)
        CHECK_EQ(weft_go(senders_first ? receiver : sender, (void *)i), 0);
}

static bool was_held;

static void hold_once(void *arg)
{
    pthread_t thread;
    int mode = *(int *)arg; /* 0: idle at first, 1: receivers wait, 2: senders do */
    long before;
    was_held = false;
    if (mode) {
        start_workers(mode == 2);
        test_until_idle();
    }
    REQUIRE(pthread_create(&thread, NULL, victim, NULL) == 0);
    TEST_UNTIL(atomic_load(&victim_armed));
    int64_t limit =
        test_now() + TEST_MS; /* it may be waiting for a partner, and be held only then */
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done) || test_now() > limit);
    if (!mode)
        start_workers(true);
    start_the_others(!mode || mode == 2);
    do {
        was_held = weft_priv_held();
        before = atomic_load(&received);
        TEST_UNTIL(op == OP_CLOSE || atomic_load(&received) >= before + ENOUGH);
    } while (was_held != weft_priv_held());
    weft_priv_release();
    TEST_UNTIL(atomic_load(&victim_done));
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    /* The senders stop after their current one; the receivers when it is closed. */
    TEST_UNTIL(weft_num_goroutine() == 3 || (op == OP_CLOSE && weft_num_goroutine() == 1));
    if (op != OP_CLOSE)
        weft_chan_close(ch);
    weft_waitgroup_wait(&workers);
}

/* Whether it was held at that point. */
static bool try_point(int mode, size_t cap)
{
    static char note[100];
    snprintf(note, sizeof(note), "%s held at %u, mode %d, capacity %zu, %zu bytes%s", op_names[op],
             hold_at, mode, cap, form.bytes, form.wide ? ", wide" : "");
    test_note_ = note;
    ch = weft_chan_new(form.bytes, cap);
    other = weft_chan_new(form.bytes, 0);
    atomic_store(&victim_armed, false);
    atomic_store(&victim_done, false);
    atomic_store(&stop, false);
    atomic_store(&sent, 0);
    atomic_store(&received, 0);
    weft_priv_release();
    CHECK_EQ(test_run(hold_once, &mode), 0);
    if (atomic_load(&sent) != atomic_load(&received) + (long)weft_chan_len(ch))
        FAIL("%s: sent %ld, received %ld, %zu left", note, atomic_load(&sent),
             atomic_load(&received), weft_chan_len(ch));
    weft_chan_unref(ch);
    weft_chan_unref(other);
    return was_held;
}

TEST(a_stopped_thread_stops_nobody_else)
{
    /* Goal: lock-freedom, for every operation, capacity and element form. Method: see above. */
    int points = 0;
    unsigned stride = test_instrumented() || test_procs(2) > 2 ? 3 : 1;
    for (int o = 0; o < OPS; o++)
        for (int mode = 0; mode < 3; mode++)
            for (size_t cap = 0; cap < 3; cap++)
                for (size_t f = 0; f < TEST_COUNT_OF(forms); f++) {
                    if (cap == 0 && forms[f].wide)
                        continue; /* no cells */
                    form = forms[f];
                    op = (enum op)o;
                    for (hold_at = 1; hold_at < 200 && try_point(mode, cap); hold_at += stride)
                        points++;
                }
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 300 / (int)stride);
}

/* ---- one who waits anew while a thread is stopped that has seen him wait before ---- */

static void *sends_one(void *arg)
{
    uint64_t elem = 1;
    (void)arg;
    CHECK(weft_priv_hold_at(hold_at));
    atomic_store(&victim_armed, true);
    weft_chan_send(ch, &elem);
    weft_priv_hold_at(0);
    atomic_store(&victim_done, true);
    return NULL;
}

/* By select, or each second time by a receive alone. */
static void receives_two(void *arg)
{
    uint64_t out, unused;
    for (int i = 0; i < 2; i++) {
        if (i == *(int *)arg)
            CHECK(weft_chan_recv(ch, &out));
        else
            CHECK_EQ(WEFT_SELECT(WEFT_RECV(ch, &out), WEFT_RECV(other, &unused)), 0);
        atomic_fetch_add(&received, 1);
    }
}

static void sends_another(void *arg)
{
    uint64_t elem = 4;
    (void)arg;
    weft_chan_send(ch, &elem);
}

static void wait_twice(void *arg)
{
    pthread_t thread;
    weft_waitgroup all = {0};
    CHECK_EQ(weft_waitgroup_go(&all, receives_two, arg), 0);
    test_until_idle();
    REQUIRE(pthread_create(&thread, NULL, sends_one, NULL) == 0);
    TEST_UNTIL(atomic_load(&victim_armed));
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done));
    was_held = weft_priv_held();
    CHECK_EQ(weft_waitgroup_go(&all, sends_another, NULL), 0);
    /* The receiver is served and waits again, unless it waits for the thread that is held. */
    int64_t limit = test_now() + 2 * TEST_MS;
    TEST_UNTIL((atomic_load(&received) == 1 && test_stats().parked == 1) || test_now() > limit);
    weft_priv_release();
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&received), 2);
    pthread_join(thread, NULL);
}

TEST(who_waits_anew_is_not_taken_for_his_wait_before)
{
    /* Goal: a partner who read the state, and whose wait that was, before it ended and began anew finds the new one, though the
     * state of a buffered channel is the same then. (A waiter was taken out and not served.) Method: hold a sender at
     * each point, serve the receiver, who waits anew, and let the sender go on. */
    for (int alone = -1; alone < 2; alone++)
        for (size_t cap = 0; cap < 2; cap++) {
            was_held = true;
            for (hold_at = 1; hold_at < 200 && was_held; hold_at++) {
                ch = weft_chan_new(sizeof(uint64_t), cap);
                other = weft_chan_new(sizeof(uint64_t), 0);
                atomic_store(&victim_armed, false);
                atomic_store(&victim_done, false);
                atomic_store(&received, 0);
                weft_priv_release();
                CHECK_EQ(test_run(wait_twice, &alone), 0);
                weft_chan_unref(ch);
                weft_chan_unref(other);
            }
        }
}

/* ---- the run ends, and another begins, while a thread is stopped that closes ---- */

enum { HEIRS = 8 };

static atomic_bool next_run_waits;
static atomic_int misled;
static weft_chan *heirlooms[HEIRS];

static void *closes(void *arg)
{
    CHECK(weft_priv_hold_at(hold_at));
    atomic_store(&victim_armed, true);
    weft_chan_close(ch);
    weft_priv_hold_at(0);
    atomic_store(&victim_done, true);
    return arg;
}

/* Lets it go on when the next run is there, or soon: the end of this one may have to wait for it. */
static void *lets_go_on(void *arg)
{
    struct timespec moment = {.tv_nsec = 50000};
    int64_t limit = test_now() + 10 * TEST_MS;
    while (!atomic_load(&next_run_waits) && test_now() < limit)
        nanosleep(&moment, NULL);
    weft_priv_release();
    return arg;
}

static void receives_from_closed(void *arg)
{
    bool closes_in_time = !weft_chan_recv(ch, NULL);
    CHECK(closes_in_time);
    (void)arg;
}

static pthread_t closer, releaser;

static void end_beside_a_close(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(receives_from_closed, NULL), 0);
    test_until_idle();
    REQUIRE(pthread_create(&closer, NULL, closes, NULL) == 0);
    TEST_UNTIL(atomic_load(&victim_armed));
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done));
    was_held = weft_priv_held();
    REQUIRE(pthread_create(&releaser, NULL, lets_go_on, NULL) == 0);
}

/* In what was the other run's: descriptors and waiters are used again. */
static void inherits(void *arg)
{
    uint64_t out = 0;
    weft_chan *own = *(weft_chan **)arg;
    if (!weft_chan_recv(own, &out) || out != 7)
        atomic_fetch_add(&misled, 1);
}

static void wait_in_the_next_run(void *arg)
{
    uint64_t elem = 7;
    weft_waitgroup all = {0};
    (void)arg;
    for (int i = 0; i < HEIRS; i++)
        CHECK_EQ(weft_waitgroup_go(&all, inherits, &heirlooms[i]), 0);
    test_until_parked(HEIRS);
    atomic_store(&next_run_waits, true);
    TEST_UNTIL(atomic_load(&victim_done));
    CHECK_EQ(weft_chan_try_recv(ch, NULL), -EPIPE);
    for (int i = 0; i < HEIRS; i++)
        weft_chan_send(heirlooms[i], &elem);
    weft_waitgroup_wait(&all);
}

TEST(a_close_wakes_nobody_of_the_next_run)
{
    /* Goal: one who stood in the channel's word when it was closed is woken as long as his run is on, and not who has his
     * waiter after that. Method: hold a close at each point, end the run, begin another, and let the close go on. */
    int points = -1; /* the last is none */
    was_held = true;
    for (hold_at = 1; hold_at < 200 && was_held; hold_at++, points++) {
        ch = weft_chan_new(sizeof(uint64_t), 0);
        for (int i = 0; i < HEIRS; i++)
            heirlooms[i] = weft_chan_new(sizeof(uint64_t), 0);
        atomic_store(&victim_armed, false);
        atomic_store(&victim_done, false);
        atomic_store(&next_run_waits, false);
        weft_priv_release();
        CHECK_EQ(test_run(end_beside_a_close, NULL), 0);
        CHECK_EQ(test_run(wait_in_the_next_run, NULL), 0);
        CHECK_EQ(atomic_load(&misled), 0);
        pthread_join(closer, NULL);
        pthread_join(releaser, NULL);
        weft_chan_unref(ch);
        for (int i = 0; i < HEIRS; i++)
            weft_chan_unref(heirlooms[i]);
    }
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 3);
}
