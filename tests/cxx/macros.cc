// SPDX-License-Identifier: Apache-2.0
// macros.cc - every macro and function of weft's headers, used from C++17.

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <weft/weft.h>

#define CHECK(cond)                                                                                \
    ((cond) ? (void)0                                                                              \
            : (std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond),       \
               std::exit(1)))

namespace
{

char order[32];
size_t order_used;

void note(void *arg)
{
    order[order_used++] = *static_cast<const char *>(arg);
}

char letters[] = "abcdefghijklmnopqrstuvwxyz";

void defer_in_blocks()
{
    order_used = 0;
    std::memset(order, 0, sizeof(order));
    {
        WEFT_DEFER(note, &letters[0]);
        WEFT_DEFER(note, &letters[1]);
        for (int i = 2; i < 5; i++) {
            WEFT_DEFER(note, &letters[i]);
            if (i == 3)
                continue;
        }
        WEFT_DEFER([](void *arg) { note(arg); }, letters + 5);
    }
    CHECK(std::strcmp(order, "cdefba") == 0);
}

struct destroyed {
    char letter;
    ~destroyed() { note(&letter); }
};

void defer_among_destructors()
{
    order_used = 0;
    std::memset(order, 0, sizeof(order));
    {
        destroyed first{'1'};
        WEFT_DEFER(note, &letters[0]);
        destroyed second{'2'};
        WEFT_DEFER(note, &letters[1]);
    }
    CHECK(std::strcmp(order, "b2a1") == 0);
}

struct point {
    double x, y;
};

WEFT_CHAN_TYPE(ints, int);
WEFT_CHAN_TYPE(points, point);
WEFT_FLOW_TYPE(ints, int);
WEFT_FLOW_MAP_TYPE(ints_to_points, ints, points, point);

void count_to_ten(void *arg)
{
    ints_tx out(static_cast<weft_chan *>(arg));
    for (int i = 1; i <= 10; i++)
        ints_send(out, i);
    ints_close(out);
    ints_unref(out);
}

// Typed stages nest as they are.
ints_rx first_of(weft_chan *done, ints in, size_t n)
{
    return ints_take(done, ints_or_done(done, in), n);
}

int sum_up(ints_rx in)
{
    int sum = 0;
    WEFT_RANGE(int, v, ints_raw(in))
    {
        if (v == 7)
            continue;
        sum += v;
    }
    return sum;
}

struct guarded {
    weft_mutex mutex = {};
    weft_rwmutex rwmutex = {};
    weft_cond cond = WEFT_COND_INIT(&mutex);
    weft_once once = {};
    weft_sem sem = WEFT_SEM_INIT(2);
};

void locks()
{
    guarded g;
    weft_cond other;
    weft_cond_init(&other, &g.mutex);
    weft_mutex_lock(&g.mutex);
    CHECK(!weft_mutex_try_lock(&g.mutex));
    CHECK(weft_cond_wait_until(&g.cond, weft_now()) == -ETIMEDOUT);
    CHECK(weft_cond_wait_until(&other, weft_now()) == -ETIMEDOUT);
    weft_cond_signal(&g.cond);
    weft_cond_broadcast(&g.cond);
    weft_mutex_unlock(&g.mutex);

    weft_rwmutex_rlock(&g.rwmutex);
    CHECK(weft_rwmutex_try_rlock(&g.rwmutex));
    CHECK(!weft_rwmutex_try_lock(&g.rwmutex));
    weft_rwmutex_runlock(&g.rwmutex);
    weft_rwmutex_runlock(&g.rwmutex);
    weft_rwmutex_lock(&g.rwmutex);
    weft_rwmutex_unlock(&g.rwmutex);

    order_used = 0;
    std::memset(order, 0, sizeof(order));
    CHECK(!weft_once_done(&g.once));
    weft_once_do(&g.once, note, &letters[0]);
    weft_once_do(&g.once, note, &letters[1]);
    CHECK(weft_once_done(&g.once));
    CHECK(std::strcmp(order, "a") == 0);

    weft_sem_acquire(&g.sem, 1);
    CHECK(weft_sem_try_acquire(&g.sem, 1));
    CHECK(!weft_sem_try_acquire(&g.sem, 1));
    weft_sem_release(&g.sem, 2);
}

void stages()
{
    ints c = ints_new(3);
    for (int i = 1; i <= 3; i++)
        ints_send(c, i);
    ints_close(c);
    ints_rx two = first_of(nullptr, c, 2);
    CHECK(sum_up(two) == 3);
    ints_unref(two);
}

void channels()
{
    ints c = ints_new(3);
    ints_ref(c);
    CHECK(weft_go(count_to_ten, ints_raw(c)) == 0);
    CHECK(sum_up(c) == 48);
    int v = 1;
    CHECK(!ints_recv(c, &v) && v == 0);
    CHECK(ints_try_send(c, 1) == -EPIPE && ints_try_recv(ints_to_rx(c), &v) == -EPIPE);
    CHECK(ints_len(c) == 0 && ints_cap(ints_to_tx(c)) == 3);
    ints_unref(c);

    points p = points_new(1);
    points_send(p, point{1, 2});
    point got = {};
    bool ok = false;
    CHECK(WEFT_SELECT(WEFT_RECV_OK(points_raw(p), &got, &ok), WEFT_AFTER(WEFT_SECOND)) == 0);
    CHECK(ok && got.x == 1 && got.y == 2);
    const point next = {3, 4};
    switch (WEFT_SELECT(WEFT_SEND(points_raw(p), &next), WEFT_DEFAULT)) {
    case 0:
        break;
    default:
        CHECK(false);
    }
    CHECK(WEFT_SELECT(WEFT_SEND(points_raw(p), &next), WEFT_RECV(nullptr, nullptr), WEFT_DEFAULT) ==
          2);
    points_unref(p);
}

struct job {
    int x;
    const char *label;
    std::atomic<int> *sum;
    weft_waitgroup *wg;
};

void run_job(void *arg)
{
    auto *j = static_cast<job *>(arg);
    CHECK(std::strcmp(j->label, "a, b") == 0);
    CHECK(reinterpret_cast<uintptr_t>(arg) % 16 == 0);
    j->sum->fetch_add(j->x);
    weft_waitgroup_done(j->wg);
}

void nothing(void *) {}

void exits(void *arg)
{
    WEFT_DEFER([](void *wg) { weft_waitgroup_done(static_cast<weft_waitgroup *>(wg)); }, arg);
    weft_goexit();
}

void *same(void *arg)
{
    return arg;
}

template <typename T> int start_typed(T x, std::atomic<int> *sum, weft_waitgroup *wg)
{
    return WEFT_GO(run_job, job, x, "a, b", sum, wg);
}

int task(weft_ctx *ctx, void *arg)
{
    return weft_ctx_value(ctx, arg) == arg ? -7 : 0;
}

void contexts()
{
    static char key;
    weft_ctx *value = weft_ctx_with_value(nullptr, &key, &key);
    weft_ctx *ctx = weft_ctx_with_timeout(value, WEFT_HOUR);
    CHECK(WEFT_SELECT(WEFT_DONE(ctx), WEFT_DEFAULT) == 1);
    weft_group *group = weft_group_new(ctx);
    CHECK(weft_group_go(group, task, &key) == 0);
    CHECK(weft_group_wait(group) == -7);
    weft_group_free(group);
    weft_ctx_cancel_cause(ctx, weft_error_new(-1, "%s", "because"));
    CHECK(WEFT_SELECT(WEFT_DONE(ctx)) == 0);
    CHECK(weft_error_is(weft_ctx_cause(ctx), -1));
    weft_sem sem = WEFT_SEM_INIT(1);
    CHECK(weft_sem_acquire_ctx(&sem, 1, ctx) < 0);
    weft_ctx_unref(ctx);
    weft_ctx_unref(value);
}

void begin(void *arg)
{
    weft_waitgroup wg = {};
    std::atomic<int> sum{0};
    CHECK(weft_self() == 1);
    weft_waitgroup_add(&wg, 13);
    for (int i = 1; i <= 10; i++) {
        int result = WEFT_GO(run_job, job, i, "a, b", &sum, &wg);
        CHECK(result == 0);
    }
    CHECK(WEFT_GO(run_job, job, 100, "a, b", &sum, &wg) == 0);
    CHECK(start_typed(1000, &sum, &wg) == 0);
    weft_go_options options = {};
    options.name = "from C++";
    options.stack_size = 1 << 20;
    CHECK(weft_go_with(&options, exits, &wg) == 0);
    CHECK(weft_waitgroup_go(&wg, nothing, nullptr) == 0);
    weft_waitgroup_wait(&wg);
    CHECK(sum.load() == 1155);
    CHECK(weft_go(nullptr, nullptr) < 0);
    CHECK(weft_go_copy(nothing, nullptr, 0) == 0);

    defer_in_blocks();
    defer_among_destructors();

    weft_waitgroup_add(&wg, 1);
    CHECK(weft_waitgroup_wait_until(&wg, weft_now() + WEFT_MICROSECOND) < 0);
    weft_waitgroup_done(&wg);
    CHECK(weft_waitgroup_wait_until(&wg, WEFT_FOREVER) == 0);

    stages();
    channels();
    locks();
    contexts();
    weft_sleep(WEFT_NANOSECOND);
    weft_sleep_until(weft_now());
    weft_yield();
    static_assert(WEFT_HOUR == 60 * WEFT_MINUTE && WEFT_MINUTE == 60 * WEFT_SECOND &&
                      WEFT_SECOND == 1000 * WEFT_MILLISECOND,
                  "units");
    static_assert(WEFT_VERSION_NUMBER >= 100, "version");
    int here = 0;
    CHECK(weft_blocking(same, &here) == &here);
    void *block = weft_alloc(100);
    CHECK(block);
    weft_free(block);
    weft_stats stats = {};
    weft_stats_read(&stats);
    CHECK(stats.procs == 2);
    CHECK(weft_num_goroutine() >= 1);
    CHECK(weft_num_cpu() >= 1);
    *static_cast<bool *>(arg) = true;
    if (here)
        weft_panic("never %d", here);
}

} // namespace

int main()
{
    weft_config config = {};
    bool done = false;
    config.maxprocs = 2;
    defer_in_blocks();
    CHECK(weft_run(begin, &done, &config) == 0);
    CHECK(done);
    CHECK(std::strcmp(weft_version(), WEFT_VERSION) == 0);
    CHECK(!weft_feature("no such feature"));
    return 0;
}
