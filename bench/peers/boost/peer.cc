/* SPDX-License-Identifier: Apache-2.0
 * The rows of weft-bench for which Boost.Fiber has what they need, with fibers in place of goroutines. Flags and output are
 * as bench/peers/go/main.go says. WEFT_MAXPROCS threads, which steal from each other where there are several; one of them
 * takes its fibers in turn and their stacks from a pool, which is the fastest that Boost.Fiber has for it. */
#include <boost/fiber/all.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace fibers = boost::fibers;

namespace
{

constexpr int64_t BATCH = 10000, MEMBERS = 503, RING_ENDS = -1;
constexpr size_t CHANNEL = 128, STACK = 64 * 1024;

unsigned procs = 1;

using clock_type = std::chrono::steady_clock;

int64_t ns_since(clock_type::time_point begin)
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(clock_type::now() - begin).count();
}

/* The pool isn't made for threads. */
template <typename Fn> fibers::fiber start(Fn fn)
{
    static fibers::pooled_fixedsize_stack pool(STACK);
    if (procs == 1)
        return fibers::fiber(fibers::launch::post, std::allocator_arg, pool, std::move(fn));
    return fibers::fiber(fibers::launch::post, std::allocator_arg, fibers::fixedsize_stack(STACK),
                         std::move(fn));
}

/* ---- rows: the nanoseconds that so many iterations took; below zero: the result is wrong ---- */

int64_t yield_in_turn(int64_t iterations)
{
    auto yields = [](int64_t n) {
        return [n] {
            for (int64_t i = 0; i < n; i++)
                boost::this_fiber::yield();
        };
    };
    auto begin = clock_type::now();
    fibers::fiber one = start(yields(iterations / 2)),
                  other = start(yields(iterations - iterations / 2));
    one.join();
    other.join();
    return ns_since(begin);
}

int64_t spawn_join(int64_t iterations)
{
    int64_t ran = 0;
    auto begin = clock_type::now();
    for (int64_t i = 0; i < iterations; i++)
        start([&ran] { ran++; }).join();
    int64_t took = ns_since(begin);
    return ran == iterations ? took : -1;
}

int64_t spawn_many(int64_t iterations)
{
    std::atomic<int64_t> ran{0};
    std::vector<fibers::fiber> all(BATCH);
    auto begin = clock_type::now();
    for (int64_t i = 0; i < iterations; i++) {
        for (fibers::fiber &fiber : all)
            fiber = start([&ran] { ran.fetch_add(1, std::memory_order_relaxed); });
        for (fibers::fiber &fiber : all)
            fiber.join();
    }
    int64_t took = ns_since(begin);
    return ran == iterations * BATCH ? took : -1;
}

int64_t pingpong_unbuf(int64_t iterations)
{
    fibers::unbuffered_channel<int64_t> there, back;
    int64_t value = 0, sum = 0;
    auto begin = clock_type::now();
    fibers::fiber partner = start([&] {
        int64_t v;
        while (there.pop(v) == fibers::channel_op_status::success)
            back.push(v);
    });
    for (int64_t i = 0; i < iterations; i++) {
        there.push(i);
        back.pop(value);
        sum += value;
    }
    int64_t took = ns_since(begin);
    there.close();
    partner.join();
    return sum == iterations * (iterations - 1) / 2 ? took : -1;
}

int64_t chan_same_task(int64_t iterations)
{
    fibers::buffered_channel<int64_t> channel(CHANNEL);
    int64_t value = 0, sum = 0;
    auto begin = clock_type::now();
    for (int64_t i = 0; i < iterations; i++) {
        channel.push(i);
        channel.pop(value);
        sum += value;
    }
    int64_t took = ns_since(begin);
    return sum == iterations * (iterations - 1) / 2 ? took : -1;
}

int64_t prodcons_cap0(int64_t iterations)
{
    fibers::unbuffered_channel<int64_t> channel;
    int64_t value = 0, sum = 0;
    auto begin = clock_type::now();
    fibers::fiber producer = start([&channel, iterations] {
        for (int64_t i = 0; i < iterations; i++)
            channel.push(i);
        channel.close();
    });
    while (channel.pop(value) == fibers::channel_op_status::success)
        sum += value;
    int64_t took = ns_since(begin);
    producer.join();
    return sum == iterations * (iterations - 1) / 2 ? took : -1;
}

int64_t threadring_503(int64_t iterations)
{
    std::deque<fibers::unbuffered_channel<int64_t>> tokens(MEMBERS);
    fibers::unbuffered_channel<int64_t> won;
    std::vector<fibers::fiber> members;
    for (int64_t member = 0; member < MEMBERS; member++)
        members.push_back(start([&tokens, &won, member] {
            auto &mine = tokens[member], &next = tokens[(member + 1) % MEMBERS];
            int64_t hops = 0;
            for (mine.pop(hops); hops != RING_ENDS; mine.pop(hops)) {
                if (hops == 0)
                    won.push(member);
                else
                    next.push(hops - 1);
            }
            if (member < MEMBERS - 1)
                next.push(RING_ENDS);
        }));
    int64_t winner = -1;
    auto begin = clock_type::now();
    tokens[0].push(iterations);
    won.pop(winner);
    int64_t took = ns_since(begin);
    tokens[0].push(RING_ENDS);
    for (fibers::fiber &member : members)
        member.join();
    return winner == iterations % MEMBERS ? took : -1;
}

/* A fiber and a channel a call. */
using result_channel = std::shared_ptr<fibers::unbuffered_channel<int64_t>>;

result_channel fib(int64_t n)
{
    result_channel result = std::make_shared<fibers::unbuffered_channel<int64_t>>();
    start([result, n] {
        int64_t a = 1, b = 0;
        if (n > 2) {
            result_channel first = fib(n - 1), second = fib(n - 2);
            first->pop(a);
            second->pop(b);
        }
        result->push(a + b);
    }).detach();
    return result;
}

int64_t fib_chan_20(int64_t iterations)
{
    int64_t value = 0;
    auto begin = clock_type::now();
    for (int64_t i = 0; i < iterations; i++) {
        fib(20)->pop(value);
        if (value != 6765)
            return -1;
    }
    return ns_since(begin);
}

int64_t mutex_uncontended(int64_t iterations)
{
    fibers::mutex mutex;
    int64_t counter = 0;
    auto begin = clock_type::now();
    for (int64_t i = 0; i < iterations; i++) {
        std::lock_guard<fibers::mutex> lock(mutex);
        counter++;
    }
    int64_t took = ns_since(begin);
    return counter == iterations ? took : -1;
}

int64_t cond_pingpong(int64_t iterations)
{
    fibers::mutex mutex;
    fibers::condition_variable turned;
    int64_t counter = 0;
    int turn = 0;
    auto take_turns = [&](int mine) {
        for (int64_t i = 0; i < iterations; i++) {
            std::unique_lock<fibers::mutex> lock(mutex);
            turned.wait(lock, [&] { return turn == mine; });
            turn = !mine;
            counter++;
            turned.notify_one();
        }
    };
    auto begin = clock_type::now();
    fibers::fiber other = start([&] { take_turns(1); });
    take_turns(0);
    other.join();
    int64_t took = ns_since(begin);
    return counter == 2 * iterations ? took : -1;
}

constexpr struct row {
    const char *name;
    int64_t (*body)(int64_t iterations);
    int64_t ops; /* an iteration */
    int64_t warmup;
} rows[] = {
    {"yield", yield_in_turn, 1, 100000},
    {"spawn_join", spawn_join, 1, 10000},
    {"spawn_many", spawn_many, BATCH, 2},
    {"threadring_503", threadring_503, 1, 50300},
    {"pingpong_unbuf", pingpong_unbuf, 1, 10000},
    {"chan_same_task", chan_same_task, 1, 10000},
    {"prodcons_cap0", prodcons_cap0, 1, 10000},
    {"fib_chan_20", fib_chan_20, 1, 1},
    {"mutex_uncontended", mutex_uncontended, 1, 10000},
    {"cond_pingpong", cond_pingpong, 1, 10000},
};

/* After a call that warms up, grow the iterations until one takes min_time. */
bool report(const row &row, double min_time)
{
    int64_t iterations = row.warmup;
    row.body(iterations);
    int64_t elapsed_ns = row.body(iterations);
    while (elapsed_ns >= 0 && double(elapsed_ns) < min_time * 1e9 && iterations < 1000000000) {
        double growth = 1.4 * min_time * 1e9 / double(elapsed_ns + 1);
        iterations = int64_t(double(iterations) * (growth > 10 ? 10 : growth)) + 1;
        elapsed_ns = row.body(iterations);
    }
    if (elapsed_ns < 0) {
        std::printf("{\"name\": \"%s\", \"error\": \"a wrong result\"}\n", row.name);
        return false;
    }
    double each_ns = double(elapsed_ns) / double(iterations);
    std::printf(
        "{\"name\": \"%s\", \"ns_per_op\": %.4f, \"total_ns\": %.1f, \"iterations\": %lld}\n",
        row.name, each_ns / double(row.ops), each_ns, (long long)iterations);
    return true;
}

/* ---- the threads beside the first ---- */

class crew
{
  public:
    crew()
    {
        if (procs == 1)
            return;
        for (unsigned i = 1; i < procs; i++)
            threads_.emplace_back([this] {
                fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(procs);
                std::unique_lock<fibers::mutex> lock(mutex_);
                ended_.wait(lock, [this] { return is_over_; });
            });
        fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(procs);
    }

    ~crew()
    {
        {
            std::unique_lock<fibers::mutex> lock(mutex_);
            is_over_ = true;
        }
        ended_.notify_all();
        for (std::thread &thread : threads_)
            thread.join();
    }

  private:
    std::vector<std::thread> threads_;
    fibers::mutex mutex_;
    fibers::condition_variable ended_;
    bool is_over_ = false;
};

} // namespace

int main(int argc, char **argv)
{
    const char *wanted = nullptr, *maxprocs = std::getenv("WEFT_MAXPROCS");
    double min_time = 0.5;
    bool list = false, ok = true;
    for (int i = 1; i < argc; i++) {
        if (!std::strcmp(argv[i], "-list")) {
            list = true;
        } else if (!std::strcmp(argv[i], "-row") && i + 1 < argc) {
            wanted = argv[++i];
        } else if (!std::strcmp(argv[i], "-min_time") && i + 1 < argc) {
            min_time = std::atof(argv[++i]);
        } else {
            std::fprintf(stderr, "usage: %s [-list] [-row NAME] [-min_time SECONDS]\n", argv[0]);
            return 2;
        }
    }
    if (list) {
        for (const row &row : rows)
            std::puts(row.name);
        return 0;
    }
    procs = maxprocs && std::atoi(maxprocs) > 0 ? unsigned(std::atoi(maxprocs))
                                                : std::thread::hardware_concurrency();
    crew others;
    for (const row &row : rows)
        if (!wanted || !std::strcmp(wanted, row.name))
            ok = report(row, min_time) && ok;
    return !ok;
}
