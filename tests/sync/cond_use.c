/* SPDX-License-Identifier: Apache-2.0
 * cond_use.c - weft_cond without deadlines: who is woken by what, and what isn't remembered. */
#include "crew.h"
#include "queued.h"

static weft_mutex mutex;
static weft_cond cond;
static int plain; /* under the mutex */

static void reset(void)
{
    mutex = (weft_mutex){0};
    cond = (weft_cond){0};
    weft_cond_init(&cond, &mutex);
    plain = 0;
    log_clear();
}

/* ---- order ---- */

/* One wait, without a condition: there are no wake-ups without a reason. */
static void wait_and_log(void *arg)
{
    weft_mutex_lock(&mutex);
    weft_cond_wait(&cond);
    CHECK(!weft_mutex_try_lock(&mutex));
    log_event((char)(intptr_t)arg);
    weft_mutex_unlock(&mutex);
}

static void wait_far_and_log(void *arg)
{
    weft_mutex_lock(&mutex);
    CHECK_EQ(weft_cond_wait_until(&cond, (intptr_t)arg % 4 ? weft_now() + WEFT_HOUR : WEFT_FOREVER),
             0);
    CHECK(!weft_mutex_try_lock(&mutex));
    log_event((char)(intptr_t)arg);
    weft_mutex_unlock(&mutex);
}

/* One after the other. Who is parked may still wait for the mutex, which one who counts as parked already is about to let
 * go of: only the queue tells. */
static void park_waiters(int n)
{
    for (int i = 0; i < n; i++) {
        crew_park((uint64_t)i + 1, i % 3 == 1 ? wait_far_and_log : wait_and_log,
                  (void *)(intptr_t)('a' + i));
        until_queued(&cond.queue_, i + 1);
    }
}

/* Signals with the mutex held if `held` is, else without. */
static void signal_in_turn(void *held)
{
    reset();
    park_waiters(8);
    for (int i = 0; i < 8; i++) {
        if (held)
            weft_mutex_lock(&mutex);
        weft_cond_signal(&cond);
        if (held)
            weft_mutex_unlock(&mutex);
        TEST_UNTIL(log_length() == i + 1);
        test_until_idle();
        CHECK_EQ(log_length(), i + 1);
    }
    test_until_goroutines(1);
    CHECK_LOG("abcdefgh");
    TEST_UNTIL(test_stats().timers == 0);
}

TEST(a_signal_wakes_the_longest_waiter)
{
    /* Goal: a signal wakes one, who has waited for longest, with the mutex held or not (CO-02), and he has the mutex
     * when his wait returns. Method: 8 that parked in order, some with far deadlines; after each signal all is idle. */
    for (int i = 0; i < test_scale(100) + 1; i++) {
        CHECK_EQ(test_run(signal_in_turn, NULL), 0);
        CHECK_EQ(test_run(signal_in_turn, &mutex), 0);
    }
}

static void signal_all_at_once(void *arg)
{
    (void)arg;
    reset();
    park_waiters(8);
    weft_mutex_lock(&mutex);
    for (int i = 0; i < 8; i++)
        weft_cond_signal(&cond);
    test_until_idle(); /* all eight wait for the mutex now */
    CHECK_EQ(log_length(), 0);
    weft_mutex_unlock(&mutex);
    test_until_goroutines(1);
    CHECK_EQ(log_length(), 8);
}

TEST(signals_in_a_row_wake_as_many)
{
    /* Goal: eight signals wake eight, also while the mutex is held, and who was woken waits for it. */
    for (int i = 0; i < test_scale(100) + 1; i++)
        CHECK_EQ(test_run(signal_all_at_once, NULL), 0);
}

/* ---- broadcast ---- */

static void broadcast_and_more(void *arg)
{
    (void)arg;
    reset();
    park_waiters(10);
    weft_cond_broadcast(&cond);
    test_until_goroutines(1);
    CHECK_EQ(log_length(), 10);
    log_clear();
    park_waiters(5);
    test_until_idle();
    CHECK_EQ(log_length(), 0); /* the broadcast was for those who waited then */
    weft_cond_signal(&cond);
    TEST_UNTIL(log_length() == 1);
    weft_cond_broadcast(&cond);
    test_until_goroutines(1);
    CHECK_EQ(log_length(), 5);
}

TEST(a_broadcast_wakes_all_who_wait)
{
    /* Goal: all who wait, and none who comes later (CO-02). Method: 10, then 5 that come afterwards. */
    for (int i = 0; i < test_scale(200) + 1; i++)
        CHECK_EQ(test_run(broadcast_and_more, NULL), 0);
}

static void wake_nobody(void)
{
    for (int i = 0; i < 5; i++) {
        weft_cond_signal(&cond);
        weft_cond_broadcast(&cond);
    }
    CHECK(weft_mutex_try_lock(&mutex));
    weft_cond_signal(&cond);
    weft_cond_broadcast(&cond);
    CHECK(!weft_mutex_try_lock(&mutex));
    weft_mutex_unlock(&mutex);
}

static void wake_nobody_then_wait(void *arg)
{
    (void)arg;
    reset();
    wake_nobody();
    crew_park(1, wait_and_log, (void *)(intptr_t)'x');
    test_until_idle();
    CHECK_EQ(log_length(), 0);
    weft_cond_signal(&cond);
    test_until_goroutines(1);
    CHECK_LOG("x");
}

TEST(what_wakes_nobody_is_not_remembered)
{
    /* Goal: signals and broadcasts without waiters are no-ops (CO-02). Method: some, then one waits; also on a cond that
     * was never given a mutex. */
    weft_cond zero = {0};
    CHECK_EQ(test_run(wake_nobody_then_wait, NULL), 0);
    reset();
    wake_nobody();
    weft_cond_signal(&zero);
    weft_cond_broadcast(&zero);
}

/* ---- a bounded queue ---- */

enum { ROOM = 2 };

static weft_cond not_empty, not_full;
static int items[ROOM], queue_first, queue_length, per_producer;
static long long sum_out;

static void produce(void)
{
    for (int i = 1; i <= per_producer; i++) {
        weft_mutex_lock(&mutex);
        while (queue_length == ROOM)
            weft_cond_wait(&not_full);
        items[(queue_first + queue_length++) % ROOM] = i;
        weft_mutex_unlock(&mutex);
        weft_cond_signal(&not_empty);
    }
}

static void consume(void)
{
    for (int i = 0; i < per_producer; i++) {
        weft_mutex_lock(&mutex);
        while (queue_length == 0)
            weft_cond_wait(&not_empty);
        sum_out += items[queue_first];
        queue_first = (queue_first + 1) % ROOM;
        queue_length--;
        weft_cond_signal(&not_full);
        weft_mutex_unlock(&mutex);
    }
}

static void produce_or_consume(int index)
{
    if (index % 2)
        consume();
    else
        produce();
}

static void bounded_queue(void *arg)
{
    const struct crew_size *size = arg;
    int pairs = (size->goroutines + size->threads) / 2;
    reset();
    not_empty = not_full = (weft_cond){0};
    weft_cond_init(&not_empty, &mutex);
    weft_cond_init(&not_full, &mutex);
    queue_first = queue_length = 0;
    sum_out = 0;
    per_producer = (size->threads ? test_scale(4000) : test_scale(40000)) / pairs + 1;
    crew_run(size->goroutines, size->threads, produce_or_consume);
    CHECK_EQ(queue_length, 0);
    CHECK_EQ(sum_out, (long long)pairs * per_producer * (per_producer + 1) / 2);
}

TEST(no_signal_is_lost)
{
    /* Goal: a wait is in the queue before it lets go of the mutex (CO-01), so no signal passes it by. Method: a queue of
     * two between producers and consumers, one signal an item; a lost one hangs. */
    static struct crew_size sizes[] = {{2, 0}, {8, 0}, {32, 0}, {4, 4}, {0, 2}, {0, 6}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(bounded_queue, &sizes[i]), 0);
    bounded_queue(&sizes[4]);
    bounded_queue(&sizes[5]);
}

/* ---- exact numbers: as many returns as signals ---- */

static atomic_int woken;
static int waiting, to_wait;

static void wait_in_a_loop(int index)
{
    (void)index;
    for (int i = 0; i < to_wait; i++) {
        weft_mutex_lock(&mutex);
        waiting++;
        weft_cond_wait(&cond);
        waiting--;
        weft_mutex_unlock(&mutex);
        atomic_fetch_add(&woken, 1);
    }
}

static void signal_exactly(void *arg)
{
    const struct crew_size *size = arg;
    struct crew crew;
    reset();
    atomic_store(&woken, 0);
    waiting = 0;
    to_wait = test_scale(2000);
    int all = to_wait * (size->goroutines + size->threads), sent = 0;
    crew_start(&crew, size->goroutines, size->threads, wait_in_a_loop);
    while (sent < all) {
        weft_mutex_lock(&mutex);
        int due =
            sent - atomic_load(&woken); /* at most: who were woken and still count as waiting */
        if (waiting > due) {
            weft_cond_signal(&cond);
            sent++;
        }
        weft_mutex_unlock(&mutex);
        weft_yield();
    }
    crew_join(&crew);
    CHECK_EQ(atomic_load(&woken), all);
    CHECK_EQ(waiting, 0);
}

TEST(a_signal_ends_one_wait)
{
    /* Goal: each signal ends exactly one wait when somebody waits: none is lost, none counts twice. Method: as many
     * signals as there are waits in all, each sent when more wait than have been woken; else the last ones hang. */
    static struct crew_size sizes[] = {{1, 0}, {5, 0}, {3, 2}, {0, 2}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(signal_exactly, &sizes[i]), 0);
    signal_exactly(&sizes[3]);
}

/* ---- a copy; that one which has been used panics is in misuse.c ---- */

static void move_before_use(void *arg)
{
    weft_cond fresh = {0};
    (void)arg;
    reset();
    weft_cond_init(&fresh, &mutex);
    cond = fresh;
    crew_park(1, wait_and_log, (void *)(intptr_t)'m');
    weft_cond_signal(&cond);
    test_until_goroutines(1);
    CHECK_LOG("m");
}

TEST(a_copy_before_the_first_use_is_fine)
{
    /* Goal: a cond that nobody has used yet may be moved with what it stands in. */
    CHECK_EQ(test_run(move_before_use, NULL), 0);
}
