/* SPDX-License-Identifier: Apache-2.0
 * linear.c - short histories of concurrent operations, checked for linearizability against a bounded queue.
 *
 * Each round a few goroutines or threads do a few random operations on one channel and note when, on a common
 * count, each call began and returned, and what it gave. Then a search (Wing and Gong, 1993, with the states
 * that were seen kept, after Lowe, 2017) looks for an order of the operations that a queue of that
 * capacity would show, and in which no operation comes before one that had returned before it began. An unbuffered channel
 * has no queue: there a send and a receive must take effect together. */
#include "../test.h"

enum { WORKERS_MAX = 5, OPS_MAX = 6, HISTORY_MAX = 32, QUEUE_MAX = 4 };

enum kind { SEND, RECV, CLOSE, LEN, NOTHING };

struct op {
    enum kind kind;
    bool tries; /* -EAGAIN says that it couldn't at one instant */
    int rc, value;
    int begin, end;
};

static weft_chan *ch;
static int cap, workers, ops_each;
static struct op history[HISTORY_MAX];
static atomic_int clock_;
static bool closing; /* main closes it meanwhile */
static weft_waitgroup done;
static uint64_t round_seed;

/* ---- making a history ---- */

/* A select that sends on a closed channel would panic. */
static bool by_select(bool sends, uint64_t random)
{
    return (random & 1) && !(sends && closing);
}

static int short_wait(weft_chan *c, int *value, bool sends, uint64_t random)
{
    int64_t ns = (int64_t)(random % 20000);
    bool ok = true;
    if (by_select(sends, random >> 32)) {
        int got = sends ? WEFT_SELECT(WEFT_SEND(c, value), WEFT_AFTER(ns + 1))
                        : WEFT_SELECT(WEFT_RECV_OK(c, value, &ok), WEFT_AFTER(ns + 1));
        return got ? -ETIMEDOUT : ok ? 0 : -EPIPE;
    }
    return sends ? weft_chan_send_until(c, value, weft_now() + ns)
                 : weft_chan_recv_until(c, value, weft_now() + ns);
}

/* A select with a default answers -EAGAIN only if it would have to wait. */
static int try_once(weft_chan *c, int *value, bool sends, uint64_t random)
{
    bool ok = true;
    if (!by_select(sends, random))
        return sends ? weft_chan_try_send(c, value) : weft_chan_try_recv(c, value);
    int got = sends ? WEFT_SELECT(WEFT_SEND(c, value), WEFT_DEFAULT)
                    : WEFT_SELECT(WEFT_RECV_OK(c, value, &ok), WEFT_DEFAULT);
    return got ? -EAGAIN : ok ? 0 : -EPIPE;
}

static void worker(uint64_t me)
{
    uint64_t seed = round_seed + me * 7919;
    for (int i = 0; i < ops_each; i++) {
        struct op *op = &history[me * (uint64_t)ops_each + (uint64_t)i];
        uint64_t random = test_random(&seed);
        bool sends = random % 2, tries = random / 2 % 2;
        op->value = (int)(me * 100) + i + 1;
        op->kind = sends ? SEND : RECV;
        op->tries = tries;
        random >>= 8;
        if (random % 16 == 0)
            op->kind = LEN;
        op->begin = atomic_fetch_add(&clock_, 1);
        if (op->kind == LEN)
            op->value = (int)weft_chan_len(ch);
        else
            op->rc = tries ? try_once(ch, &op->value, sends, random >> 8)
                           : short_wait(ch, &op->value, sends, random >> 8);
        op->end = atomic_fetch_add(&clock_, 1);
        if (op->rc == -ETIMEDOUT)
            op->kind = NOTHING;
    }
    weft_waitgroup_done(&done);
}

static void worker_goroutine(void *arg)
{
    worker((uint64_t)(uintptr_t)arg);
}

static void *worker_thread(void *arg)
{
    worker((uint64_t)(uintptr_t)arg);
    return NULL;
}

/* ---- checking it ---- */

struct state {
    uint32_t mask; /* operations that have taken effect */
    int8_t length;
    bool closed;
    uint8_t queue[QUEUE_MAX]; /* indices of the sends */
};

enum { SEEN_SIZE = 1 << 16 };
static struct state seen[SEEN_SIZE];
static bool seen_used[SEEN_SIZE];
static int total;
static long steps;

static bool was_seen(const struct state *s)
{
    uint64_t hash = 1469598103934665603U;
    for (size_t i = 0; i < sizeof(*s); i++)
        hash = (hash ^ ((const unsigned char *)s)[i]) * 1099511628211U;
    size_t at = hash % SEEN_SIZE;
    for (int probe = 0; probe < 64; probe++, at = (at + 1) % SEEN_SIZE) {
        if (!seen_used[at]) {
            seen_used[at] = true;
            seen[at] = *s;
            return false;
        }
        if (memcmp(&seen[at], s, sizeof(*s)) == 0)
            return true;
    }
    return false;
}

/* Nothing that hasn't taken effect had returned before i began. */
static bool is_next(const struct state *s, int i)
{
    if (s->mask >> i & 1)
        return false;
    for (int k = 0; k < total; k++)
        if (!(s->mask >> k & 1) && history[k].end < history[i].begin)
            return false;
    return true;
}

/* What the queue would do: true and the state after, or false. */
static bool apply(const struct state *s, int i, struct state *after)
{
    const struct op *op = &history[i];
    *after = *s;
    after->mask |= UINT32_C(1) << i;
    switch (op->kind) {
    case NOTHING:
        return true;
    case LEN:
        return op->value == s->length;
    case CLOSE:
        after->closed = true;
        return true;
    case SEND:
        if (op->rc == -EPIPE)
            return s->closed;
        if (op->rc == -EAGAIN)
            return !s->closed && s->length == cap;
        if (s->closed || s->length == cap)
            return false;
        after->queue[after->length++] = (uint8_t)i;
        return true;
    case RECV:
        if (op->rc == -EPIPE)
            return s->closed && s->length == 0;
        if (op->rc == -EAGAIN)
            return !s->closed && s->length == 0;
        if (s->length == 0 || history[s->queue[0]].value != op->value)
            return false;
        after->length--;
        memmove(after->queue, after->queue + 1, QUEUE_MAX - 1);
        after->queue[QUEUE_MAX - 1] = 0;
        for (int k = after->length; k < QUEUE_MAX; k++)
            after->queue[k] = 0;
        return true;
    }
    return false;
}

static bool search(const struct state *s);

/* Unbuffered: a send and a receive together. */
static bool search_pairs(const struct state *s, int i)
{
    const struct op *op = &history[i];
    for (int k = 0; k < total; k++) {
        const struct op *other = &history[k];
        if (other->kind != RECV || other->rc != 0 || other->value != op->value || !is_next(s, k))
            continue;
        struct state after = *s;
        after.mask |= UINT32_C(1) << i | UINT32_C(1) << k;
        if (!s->closed && search(&after))
            return true;
    }
    return false;
}

static bool search(const struct state *s)
{
    struct state after;
    if (s->mask == (total == 32 ? UINT32_MAX : (UINT32_C(1) << total) - 1))
        return true;
    if (was_seen(s))
        return false;
    steps++;
    for (int i = 0; i < total; i++) {
        const struct op *op = &history[i];
        if (!is_next(s, i))
            continue;
        if (cap == 0 && op->rc == 0 && (op->kind == SEND || op->kind == RECV)) {
            if (op->kind == SEND && search_pairs(s, i))
                return true;
        } else if (apply(s, i, &after) && search(&after)) {
            return true;
        }
    }
    return false;
}

static void print_history(void)
{
    static const char *const names[] = {"send", "recv", "close", "len", "-"};
    for (int i = 0; i < total; i++)
        fprintf(stderr, "    %2d: [%3d, %3d] %s%s %d: %d\n", i, history[i].begin, history[i].end,
                history[i].tries ? "try " : "", names[history[i].kind], history[i].value,
                history[i].rc);
}

/* What is left in the channel is received at the end, so that lost elements show. */
static void receive_the_rest(void)
{
    int value;
    for (int rc = 0; rc == 0 && total < HISTORY_MAX + 1;) {
        int begin = atomic_fetch_add(&clock_, 1);
        rc = weft_chan_try_recv(ch, &value);
        history[total++] = (struct op){.kind = RECV,
                                       .tries = true,
                                       .rc = rc,
                                       .value = value,
                                       .begin = begin,
                                       .end = atomic_fetch_add(&clock_, 1)};
        if (total == 32)
            return;
    }
}

static void one_round(bool threads)
{
    pthread_t started[WORKERS_MAX];
    total = workers * ops_each;
    memset(history, 0, sizeof(history));
    memset(seen_used, 0, sizeof(seen_used));
    atomic_store(&clock_, 0);
    weft_waitgroup_add(&done, workers);
    for (intptr_t i = 0; i < workers; i++) {
        if (threads && i % 2)
            REQUIRE(pthread_create(&started[i], NULL, worker_thread, (void *)i) == 0);
        else
            CHECK_EQ(weft_go(worker_goroutine, (void *)i), 0);
    }
    if (closing) {
        history[total].kind = CLOSE;
        for (uint64_t i = round_seed % 3; i > 0; i--)
            weft_yield();
        history[total].begin = atomic_fetch_add(&clock_, 1);
        weft_chan_close(ch);
        history[total].end = atomic_fetch_add(&clock_, 1);
    }
    weft_waitgroup_wait(&done);
    total += closing;
    for (intptr_t i = 1; threads && i < workers; i += 2)
        pthread_join(started[i], NULL);
    receive_the_rest();
    struct state start;
    memset(&start, 0, sizeof(start));
    if (!search(&start)) {
        FAIL("no order explains this history (capacity %d):", cap);
        print_history();
        _exit(1);
    }
}

static uint64_t seed;

static void rounds(void *arg)
{
    int64_t until = *(int64_t *)arg;
    do {
        round_seed = test_random(&seed);
        cap = (int)(round_seed % 4);
        workers = 2 + (int)(round_seed / 4 % 3);
        ops_each = 2 + (int)(round_seed / 16 % 4);
        while (workers * ops_each > 22)
            ops_each--;
        closing = round_seed / 64 % 8 == 0;
        ch = weft_chan_new(sizeof(int), (size_t)cap);
        one_round(round_seed / 512 % 4 == 0);
        weft_chan_unref(ch);
    } while (test_now() < until);
}

TEST(histories_are_linearizable)
{
    /* Goal: what operations answer, -EAGAIN and len included, is what a bounded queue would. Method: see
     * above; capacities 0 to 3, 2 to 4 workers, goroutines or half of them threads. */
    seed = test_seed();
    steps = 0;
    int64_t until = test_now() + (int64_t)(test_seconds() * 1e9);
    CHECK_EQ(test_run(rounds, &until), 0);
    CHECK_GT(steps, 0);
}

TEST(the_checker_sees_what_is_wrong)
{
    /* Goal: the check can fail. Method: a history out of order, a lost element, an answer of empty while an
     * element was in. */
    static const struct op wrong[][3] = {
        {{SEND, false, 0, 1, 0, 1}, {SEND, false, 0, 2, 2, 3}, {RECV, false, 0, 2, 4, 5}},
        {{SEND, false, 0, 1, 0, 1}, {RECV, true, -EAGAIN, 0, 2, 3}, {RECV, true, 0, 1, 4, 5}},
        {{SEND, false, 0, 1, 0, 1}, {RECV, false, 0, 1, 2, 3}, {RECV, false, 0, 1, 2, 4}},
        {{SEND, false, 0, 1, 0, 1}, {LEN, false, 0, 0, 2, 3}, {RECV, false, 0, 1, 4, 5}},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(wrong); i++) {
        struct state start;
        memset(&start, 0, sizeof(start));
        memset(seen_used, 0, sizeof(seen_used));
        memcpy(history, wrong[i], sizeof(wrong[i]));
        total = 3;
        cap = 3;
        CHECK(!search(&start));
    }
}
