/* SPDX-License-Identifier: Apache-2.0
 * closing.c - close against every other operation, and against itself, while they are at it.
 *
 * Each round a few goroutines and threads do one kind of operation each on one channel, again and again, until they find it
 * closed; two or three close it meanwhile, and weft_try catches what panics. Then: one close has returned, the others have
 * panicked; each sender that can has panicked, once; what was received is what was sent by sends that returned, each element
 * once, and nothing of a send that panicked. */
#include "../test.h"

#include "runtime/hooks.h"

enum role {
    CLOSE,
    SEND,
    SELECT_SEND,
    SELECT_SEND_AFTER,
    SELECT_BOTH,
    TRY_SEND,
    SEND_UNTIL,
    RECV,
    SELECT_RECV,
    TRY_RECV,
    RECV_UNTIL,
    ROLES
};

static const char *const role_names[ROLES] = {
    "close",      "send", "select-send", "select-send-after", "select-both", "try_send",
    "send_until", "recv", "select-recv", "try_recv",          "recv_until"};

enum { WORKERS_MAX = 9, SENDS_MAX = 400, WORDS_MAX = 3 };

#define WIDE (UINT64_C(1) << 40) /* doesn't fit 32 bits: the cell is filled by a CAS of 16 bytes */

struct worker {
    enum role role;
    uint64_t id, seed;
    int sent;           /* sends that returned */
    bool ended, closed; /* ended: it has found the channel closed; closed: by itself */
    bool panicked;
};

static weft_chan *ch, *idle;
static size_t bytes, capacity;
static uint64_t wide;
static int workers;
static struct worker all[WORKERS_MAX];
static atomic_int got[WORKERS_MAX][SENDS_MAX];
static atomic_long received;
static weft_waitgroup done;
static long panics_of[ROLES];

/* ---- what they do ---- */

static void pack(struct worker *w, uint64_t *elem)
{
    elem[0] = wide | (w->id * SENDS_MAX + (uint64_t)w->sent);
    elem[1] = elem[0] * 3;
    elem[2] = elem[0] * 5;
}

static void arrived(const uint64_t *elem)
{
    atomic_fetch_add(&received, 1);
    if (bytes == 0)
        return;
    uint64_t name = elem[0] ^ wide;
    REQUIRE(name < WORKERS_MAX * SENDS_MAX);
    CHECK(bytes == 8 || (elem[1] == elem[0] * 3 && elem[2] == elem[0] * 5));
    atomic_fetch_add(&got[name / SENDS_MAX][name % SENDS_MAX], 1);
}

static void received_or_ended(struct worker *w, bool ok, const uint64_t *elem)
{
    if (ok)
        arrived(elem);
    else
        w->ended = true;
}

/* 0, or why not. */
static void settled(struct worker *w, int rc, bool sends, const uint64_t *elem)
{
    if (rc == -EPIPE)
        w->ended = true;
    else if (rc)
        weft_yield();
    else if (sends)
        w->sent++;
    else
        arrived(elem);
}

static void both_ways(struct worker *w, uint64_t *elem)
{
    uint64_t out[WORDS_MAX];
    bool ok;
    if (WEFT_SELECT(WEFT_SEND(ch, elem), WEFT_RECV_OK(ch, out, &ok)) == 0)
        w->sent++;
    else
        received_or_ended(w, ok, out);
}

static void once(struct worker *w)
{
    uint64_t elem[WORDS_MAX];
    bool ok = true;
    int64_t ns = (int64_t)(test_random(&w->seed) % 20000);
    pack(w, elem);
    switch (w->role) {
    case SEND:
        weft_chan_send(ch, elem);
        w->sent++;
        return;
    case SELECT_SEND:
        w->sent += WEFT_SELECT(WEFT_SEND(ch, elem), WEFT_RECV(idle, NULL)) == 0;
        return;
    case SELECT_SEND_AFTER:
        w->sent += WEFT_SELECT(WEFT_SEND(ch, elem), WEFT_AFTER(ns)) == 0;
        return;
    case SELECT_BOTH:
        both_ways(w, elem);
        return;
    case TRY_SEND:
        settled(w, weft_chan_try_send(ch, elem), true, elem);
        return;
    case SEND_UNTIL:
        settled(w, weft_chan_send_until(ch, elem, weft_now() + ns), true, elem);
        return;
    case RECV:
        ok = weft_chan_recv(ch, elem);
        received_or_ended(w, ok, elem);
        return;
    case SELECT_RECV:
        WEFT_SELECT(WEFT_RECV_OK(ch, elem, &ok), WEFT_RECV(idle, NULL));
        received_or_ended(w, ok, elem);
        return;
    case TRY_RECV:
        settled(w, weft_chan_try_recv(ch, elem), false, elem);
        return;
    case RECV_UNTIL:
        settled(w, weft_chan_recv_until(ch, elem, weft_now() + ns), false, elem);
        return;
    case CLOSE:
    case ROLES:
        for (uint64_t i = test_random(&w->seed) % 16; i > 0; i--)
            weft_yield();
        weft_chan_close(ch);
        w->closed = w->ended = true;
    }
}

static void until_closed(void *arg)
{
    struct worker *w = arg;
    while (!w->ended && w->sent < SENDS_MAX)
        once(w);
}

/* To know the message costs much, so some don't ask. */
static void work(void *arg)
{
    struct worker *w = arg;
    weft_panic_info info = {0};
    bool asks = w->seed % 8 == 0;
    w->panicked = weft_try(until_closed, w, asks ? &info : NULL);
    if (asks && w->panicked)
        CHECK_STR_EQ(info.message,
                     w->role == CLOSE ? "close of closed channel" : "send on closed channel");
    weft_panic_clear(&info);
    weft_waitgroup_done(&done);
}

static void *work_on_thread(void *arg)
{
    work(arg);
    return NULL;
}

/* ---- a round ---- */

static bool may_panic(enum role role)
{
    return role == SEND || role == SELECT_SEND || role == SELECT_SEND_AFTER || role == SELECT_BOTH;
}

static long receive_the_rest(void)
{
    uint64_t elem[WORDS_MAX];
    int rc;
    while ((rc = weft_chan_try_recv(ch, elem)) == 0)
        arrived(elem);
    CHECK_EQ(rc, -EPIPE);
    return atomic_load(&received);
}

static void check_worker(const struct worker *w)
{
    panics_of[w->role] += w->panicked;
    if (may_panic(w->role))
        CHECK(w->panicked || w->sent == SENDS_MAX || (w->role == SELECT_BOTH && w->ended));
    else if (w->role != CLOSE)
        CHECK(!w->panicked);
    else
        CHECK(w->panicked != w->closed);
    for (int i = 0; bytes && i < SENDS_MAX; i++)
        if (atomic_load(&got[w->id][i]) != (i < w->sent))
            FAIL("%s: %d sends have returned, number %d was received %d times", role_names[w->role],
                 w->sent, i, atomic_load(&got[w->id][i]));
}

static void check_round(void)
{
    long sent = 0, closes = 0;
    CHECK_EQ(weft_chan_len(ch), 0);
    for (int i = 0; i < workers; i++) {
        check_worker(&all[i]);
        sent += all[i].sent;
        closes += all[i].closed;
    }
    CHECK_EQ(closes, 1);
    CHECK_EQ(atomic_load(&received), sent);
}

static void one_round(bool threads)
{
    pthread_t started[WORKERS_MAX];
    weft_waitgroup_add(&done, workers);
    for (int i = 0; i < workers; i++)
        if (threads && i % 2)
            REQUIRE(pthread_create(&started[i], NULL, work_on_thread, &all[i]) == 0);
        else
            CHECK_EQ(weft_go(work, &all[i]), 0);
    weft_waitgroup_wait(&done);
    for (int i = 1; threads && i < workers; i += 2)
        pthread_join(started[i], NULL);
    receive_the_rest();
    check_round();
}

/* Two close; the first of the others takes each role in turn. */
static void draw(uint64_t random, int round)
{
    static const size_t sizes[] = {8, 8, 24, 0};
    bytes = sizes[random % 4];
    wide = random % 4 == 1 ? WIDE : 0;
    capacity = random / 4 % 4;
    workers = 3 + (int)(random / 16 % (WORKERS_MAX - 2));
    memset(all, 0, sizeof(all));
    memset(got, 0, sizeof(got));
    atomic_store(&received, 0);
    for (int i = 0; i < workers; i++) {
        all[i].id = (uint64_t)i;
        all[i].seed = test_random(&random);
        all[i].role = (enum role)(all[i].seed % ROLES);
    }
    all[0].role = (enum role)(round % ROLES);
    all[1].role = all[workers - 1].role = CLOSE;
}

static uint64_t seed;

static void rounds(void *arg)
{
    int64_t until = *(int64_t *)arg;
    int round = 0;
    do {
        uint64_t random = test_random(&seed);
        draw(random, round++);
        ch = weft_chan_new(bytes, capacity);
        one_round(random / 512 % 4 == 0);
        weft_chan_unref(ch);
    } while (test_now() < until || round < 3 * ROLES);
}

TEST(close_against_every_operation)
{
    /* Goal: see above; of elements without size, in the cell, in a cell of 16 bytes and in nodes. */
    seed = test_seed();
    memset(panics_of, 0, sizeof(panics_of));
    idle = weft_chan_new(0, 0);
    int64_t until = test_now() + (int64_t)(test_seconds() * 1e9);
    CHECK_EQ(test_run(rounds, &until), 0);
    weft_chan_unref(idle);
    for (enum role role = CLOSE; role < SELECT_BOTH; role++)
        if (panics_of[role] == 0)
            FAIL("%s: none has panicked", role_names[role]);
}

/* ---- waits that a close ends ---- */

enum { WAITERS_MAX = 12 };

static struct waiting {
    int kind;
    int ends;
    bool panics;
    weft_priv_gate gate;
} waiting[WAITERS_MAX];
static atomic_int at_gate, passed;

/* The channel is in several cases of each. */
static void wait_for_close(void *arg)
{
    struct waiting *w = arg;
    uint64_t elem = 1;
    bool ok = true;
    switch (w->kind) {
    case 0:
        WEFT_SELECT(WEFT_RECV_OK(ch, &elem, &ok), WEFT_RECV_OK(ch, &elem, &ok),
                    WEFT_RECV(idle, NULL));
        break;
    case 1:
        WEFT_SELECT(WEFT_RECV(idle, NULL), WEFT_SEND(ch, &elem), WEFT_SEND(ch, &elem));
        break;
    case 2: /* or it panics */
        WEFT_SELECT(WEFT_SEND(ch, &elem), WEFT_RECV_OK(ch, &elem, &ok), WEFT_SEND(ch, &elem));
        break;
    case 3:
        ok = weft_chan_recv(ch, &elem);
        break;
    default:
        weft_chan_send(ch, &elem);
    }
    CHECK(!ok);
    w->ends++;
}

static void wait_and_then_at_the_gate(void *arg)
{
    struct waiting *w = arg;
    w->panics = weft_try(wait_for_close, w, NULL);
    w->ends += w->panics;
    atomic_fetch_add(&at_gate, 1);
    weft_priv_gate_wait(&w->gate);
    atomic_fetch_add(&passed, 1);
}

/* kinds[i % n] is what the ith does; the channel is full when senders wait. */
static void close_on_waiting(const int *kinds, int n, int count, size_t cap)
{
    uint64_t elem = 1;
    ch = weft_chan_new(8, cap);
    bool sends = kinds[0] == 1 || kinds[0] == 4;
    for (size_t i = 0; sends && i < cap; i++)
        weft_chan_send(ch, &elem);
    atomic_store(&at_gate, 0);
    atomic_store(&passed, 0);
    for (int i = 0; i < count; i++) {
        waiting[i] = (struct waiting){.kind = kinds[i % n]};
        CHECK_EQ(weft_go(wait_and_then_at_the_gate, &waiting[i]), 0);
    }
    test_until_idle();
    CHECK_EQ(atomic_load(&at_gate), 0);
    weft_chan_close(ch);
    TEST_UNTIL(atomic_load(&at_gate) == count);
    test_until_idle();
    CHECK_EQ(atomic_load(&passed), 0); /* a second wake-up would open the gate */
    for (int i = 0; i < count; i++) {
        CHECK_EQ(waiting[i].ends, 1);
        CHECK(waiting[i].kind == 2 || waiting[i].panics == sends);
        weft_priv_gate_open(&waiting[i].gate);
    }
    test_until_goroutines(1);
    CHECK_EQ(atomic_load(&passed), count);
    CHECK_EQ(weft_chan_len(ch), sends ? cap : 0);
    weft_chan_unref(ch);
}

static void close_on_all_kinds(void *arg)
{
    static const int receivers[] = {0, 3}, senders[] = {1, 4}, either[] = {2};
    (void)arg;
    for (int i = test_scale(200); i >= 0; i--)
        for (size_t cap = 0; cap < 3; cap++)
            for (int count = 1; count <= WAITERS_MAX; count += WAITERS_MAX - 1) {
                close_on_waiting(receivers, 2, count, cap);
                close_on_waiting(senders, 2, count, cap);
                if (cap == 0 && count == 1) /* two of these would meet */
                    close_on_waiting(either, 1, count, cap);
            }
}

TEST(a_close_ends_each_wait_once)
{
    /* Goal: CH-21: of those who wait receivers go on, senders panic, each is woken once, though the channel is in several of
     * its cases, in both directions too. Method: then each waits at a gate, which a second wake-up would open. */
    idle = weft_chan_new(0, 0);
    CHECK_EQ(test_run(close_on_all_kinds, NULL), 0);
    weft_chan_unref(idle);
}
