/* SPDX-License-Identifier: Apache-2.0
 * chan.c - a hunt for lost elements, lost wake-ups and waiters that nobody serves.
 *
 * Senders send numbered elements over a few channels, by every operation there is (send, try_, until, a
 * select); receivers take them likewise. Some waits are cancelled all the time. Each element must arrive once,
 * and those of one sender on one channel in order; when the senders are through the channels are closed
 * and everybody must come home. Goroutines, and threads that weft knows nothing of. */
#include "../test.h"

enum { CHANS_MAX = 4, SENDERS_MAX = 64 };

struct shape {
    size_t elem_words; /* 8 bytes each */
    size_t cap;
    int chans, senders, receivers, threads; /* threads: of each side, besides */
    bool cross;                             /* selects that send and receive at once */
    int elements;
};

struct element {
    uint64_t sender, number;
    uint64_t more[6];
};

static struct shape shape;
static weft_chan *chans[CHANS_MAX];
static atomic_long sum_sent, sum_received, count_sent, count_received;
static weft_waitgroup senders, receivers;
static uint64_t run_seed;

static size_t elem_bytes(void)
{
    return shape.elem_words * 8;
}

/* A word holds sender and number; a larger element repeats them. */
static void pack(struct element *e, uint64_t sender, uint64_t number, bool wide)
{
    memset(e, 0, sizeof(*e));
    if (shape.elem_words == 1) {
        e->sender = sender << 24 | number;
        if (wide)
            e->sender |= UINT64_C(0xabcd) << 48;
        return;
    }
    e->sender = sender;
    e->number = number;
    for (size_t i = 0; i + 2 < shape.elem_words; i++)
        e->more[i] = sender * 1000003 + number + i;
}

static uint64_t unpack(const struct element *e, uint64_t *number)
{
    if (shape.elem_words == 1) {
        uint64_t v = e->sender & UINT64_C(0xffffffffffff);
        CHECK((e->sender >> 48) == 0 || (e->sender >> 48) == 0xabcd);
        *number = v & 0xffffff;
        return v >> 24;
    }
    for (size_t i = 0; i + 2 < shape.elem_words; i++)
        CHECK(e->more[i] == e->sender * 1000003 + e->number + i);
    *number = e->number;
    return e->sender;
}

struct received {
    uint64_t last[CHANS_MAX][SENDERS_MAX]; /* of each sender, by this receiver: growing */
};

static void arrived(struct received *r, int chan, const struct element *e)
{
    uint64_t number, sender = unpack(e, &number);
    REQUIRE(sender < SENDERS_MAX);
    if (r->last[chan][sender] >= number + 1)
        FAIL("chan %d, sender %" PRIu64 ": number %" PRIu64 " after %" PRIu64, chan, sender, number,
             r->last[chan][sender] - 1);
    r->last[chan][sender] = number + 1;
    atomic_fetch_add(&sum_received, (long)(number * 31 + sender * 7 + 1));
    atomic_fetch_add(&count_received, 1);
}

static int64_t soon(uint64_t random)
{
    return weft_now() + (int64_t)(random % 30000);
}

/* Send by some operation; true: sent. */
static bool send_somehow(int chan, struct element *e, uint64_t random, struct received *r)
{
    struct element other;
    bool ok;
    weft_chan *ch = chans[chan];
    switch (random % 8) {
    case 0:
        if (weft_chan_try_send(ch, e) == 0)
            return true;
        weft_yield();
        return false;
    case 1:
        return weft_chan_send_until(ch, e, soon(random >> 8)) == 0;
    case 2:
        return WEFT_SELECT(WEFT_SEND(ch, e), WEFT_DEFAULT) == 0;
    case 3:
        return WEFT_SELECT(WEFT_SEND(ch, e), WEFT_AFTER((int64_t)(random >> 8) % 30000)) == 0;
    case 4: /* its own elements may come back to it */
        if (!shape.cross)
            break;
        int from = (int)((random >> 16) % (uint64_t)shape.chans);
        if (WEFT_SELECT(WEFT_SEND(ch, e), WEFT_RECV_OK(chans[from], &other, &ok)) == 0)
            return true;
        CHECK(ok);
        arrived(r, from, &other);
        return false;
    }
    weft_chan_send(ch, e);
    return true;
}

static void sender_main(uint64_t me)
{
    uint64_t seed = run_seed + me * 7919, numbers[CHANS_MAX] = {0};
    struct received *r = calloc(1, sizeof(*r));
    struct element e;
    for (int i = 0; i < shape.elements; i++) {
        int chan = (int)(test_random(&seed) % (uint64_t)shape.chans);
        uint64_t number = numbers[chan]++;
        pack(&e, me, number, test_random(&seed) % 2);
        while (!send_somehow(chan, &e, test_random(&seed), r))
            ;
        atomic_fetch_add(&sum_sent, (long)(number * 31 + me * 7 + 1));
        atomic_fetch_add(&count_sent, 1);
    }
    free(r);
    weft_waitgroup_done(&senders);
}

/* Receive by some operation; -EPIPE: closed and drained. */
static int receive_somehow(uint64_t random, struct element *e, int *chan, struct received *r)
{
    weft_case cases[CHANS_MAX + 1];
    bool ok = true;
    *chan = (int)((random >> 8) % (uint64_t)shape.chans);
    weft_chan *ch = chans[*chan];
    (void)r;
    switch (random % 8) {
    case 0:
        return weft_chan_try_recv(ch, e);
    case 1:
        return weft_chan_recv_until(ch, e, soon(random >> 16));
    case 2:
        if (WEFT_SELECT(WEFT_RECV_OK(ch, e, &ok), WEFT_DEFAULT) == 0)
            return ok ? 0 : -EPIPE;
        return -EAGAIN;
    case 3:
        if (shape.chans > 1)
            break; /* all receivers on one channel and all senders on another: a deadlock of its own */
        return weft_chan_recv(ch, e) ? 0 : -EPIPE;
    }
    for (int i = 0; i < shape.chans; i++)
        cases[i] = WEFT_RECV_OK(chans[i], e, &ok);
    size_t n = (size_t)shape.chans;
    if (random % 8 == 4)
        cases[n++] = WEFT_AFTER((int64_t)(random >> 16) % 30000);
    *chan = weft_select(cases, n);
    if (*chan == shape.chans)
        return -ETIMEDOUT;
    return ok ? 0 : -EPIPE;
}

static void receiver_main(uint64_t me)
{
    uint64_t seed = run_seed + me * 104729 + 1;
    struct received *r = calloc(1, sizeof(*r));
    unsigned open = (1U << shape.chans) - 1;
    struct element e;
    while (open) {
        int chan, rc = receive_somehow(test_random(&seed), &e, &chan, r);
        if (rc == 0)
            arrived(r, chan, &e);
        else if (rc == -EPIPE)
            open &= ~(1U << chan);
        else
            weft_yield();
    }
    free(r);
    weft_waitgroup_done(&receivers);
}

static void sender_goroutine(void *arg)
{
    sender_main((uint64_t)(uintptr_t)arg);
}

static void receiver_goroutine(void *arg)
{
    receiver_main((uint64_t)(uintptr_t)arg);
}

static void *sender_thread(void *arg)
{
    sender_main((uint64_t)(uintptr_t)arg);
    return NULL;
}

static void *receiver_thread(void *arg)
{
    receiver_main((uint64_t)(uintptr_t)arg);
    return NULL;
}

static void lost(const char *what)
{
    FAIL("%s: a wake-up or an element is missing", what);
    fprintf(
        stderr,
        "    %zu bytes, cap %zu, %d chans, %d+%d senders, %d receivers; sent %ld, received %ld\n",
        elem_bytes(), shape.cap, shape.chans, shape.senders, shape.threads, shape.receivers,
        atomic_load(&count_sent), atomic_load(&count_received));
    for (int i = 0; i < shape.chans; i++) {
        const uint64_t *words = (const uint64_t *)chans[i];
        fprintf(stderr, "    chan %d: len %zu, state %016" PRIx64 "\n", i, weft_chan_len(chans[i]),
                words[0]);
    }
    test_dump_stats();
    if (getenv("WEFT_TEST_HANG"))
        for (;;)
            pause();
    _exit(1);
}

static void all_of_it(void *arg)
{
    pthread_t threads[8];
    int n = 0;
    int64_t patience = 20 * WEFT_SECOND * test_slowness();
    (void)arg;
    weft_waitgroup_add(&senders, shape.senders + shape.threads);
    weft_waitgroup_add(&receivers, shape.receivers + shape.threads);
    for (int i = 0; i < shape.receivers; i++)
        CHECK_EQ(weft_go(receiver_goroutine, (void *)(intptr_t)i), 0);
    for (int i = 0; i < shape.senders; i++)
        CHECK_EQ(weft_go(sender_goroutine, (void *)(intptr_t)i), 0);
    for (intptr_t i = 0; i < shape.threads; i++) {
        REQUIRE(pthread_create(&threads[n++], NULL, sender_thread, (void *)(shape.senders + i)) ==
                0);
        REQUIRE(pthread_create(&threads[n++], NULL, receiver_thread, (void *)(100 + i)) == 0);
    }
    if (weft_waitgroup_wait_until(&senders, weft_now() + patience))
        lost("senders");
    for (int i = 0; i < shape.chans; i++)
        weft_chan_close(chans[i]);
    if (weft_waitgroup_wait_until(&receivers, weft_now() + patience))
        lost("receivers");
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

static void hunt(const struct shape *of)
{
    shape = *of;
    shape.elements = test_scale(shape.elements) + 20;
    run_seed = run_seed * 6364136223846793005U + 1442695040888963407U;
    atomic_store(&sum_sent, 0);
    atomic_store(&sum_received, 0);
    atomic_store(&count_sent, 0);
    atomic_store(&count_received, 0);
    for (int i = 0; i < shape.chans; i++)
        chans[i] = weft_chan_new(elem_bytes(), shape.cap);
    CHECK_EQ(test_run(all_of_it, NULL), 0);
    CHECK_EQ(atomic_load(&count_sent), atomic_load(&count_received));
    CHECK_EQ(atomic_load(&sum_sent), atomic_load(&sum_received));
    for (int i = 0; i < shape.chans; i++) {
        CHECK_EQ(weft_chan_len(chans[i]), 0);
        weft_chan_unref(chans[i]);
    }
}

TEST(every_element_arrives_once)
{
    /* Goal: exactly-once delivery, order, no lost wake-up, for every pair of operations. Method: see above. */
    static const struct shape shapes[] = {
        {1, 0, 1, 1, 1, 0, false, 3000}, {1, 1, 1, 1, 1, 0, false, 3000},
        {1, 0, 1, 4, 4, 0, false, 1000}, {1, 1, 1, 4, 4, 0, false, 1000},
        {1, 2, 2, 4, 4, 1, false, 1000}, {1, 0, 2, 4, 4, 1, false, 1000},
        {1, 0, 3, 4, 4, 0, true, 1000},  {1, 1, 3, 4, 4, 1, true, 1000},
        {3, 1, 1, 4, 4, 1, false, 1000}, {8, 3, 2, 4, 4, 1, true, 1000},
        {2, 0, 4, 30, 30, 2, true, 300}, {1, 5, 4, 30, 30, 2, false, 300},
        {1, 0, 1, 30, 30, 1, true, 300}, {1, 100, 1, 8, 8, 1, false, 1000},
        {1, 1, 2, 0, 0, 4, true, 500},   {4, 0, 2, 0, 0, 4, true, 500},
    };
    run_seed = test_seed();
    int64_t until = test_now() + (int64_t)(test_seconds() * 1e9);
    do {
        for (size_t i = 0; i < TEST_COUNT_OF(shapes); i++)
            hunt(&shapes[i]);
    } while (test_now() < until);
}
