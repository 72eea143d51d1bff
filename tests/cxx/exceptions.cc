// SPDX-License-Identifier: Apache-2.0
// exceptions.cc - exceptions on goroutines: thrown, caught and parked inside of; those that nobody catches.
//
// Without an argument all that must go well; with one, a program that must die (exceptions.sh says how).

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <weft/weft.h>

#define CHECK(cond)                                                                                \
    ((cond) ? (void)0                                                                              \
            : (std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond),       \
               std::abort()))

namespace
{

std::string order;

void note(void *arg)
{
    order += *static_cast<const char *>(arg);
}

char letters[] = "abcdefghijklmnopqrstuvwxyz";

struct destroyed {
    char letter;
    ~destroyed() { note(&letter); }
};

// ---- parking ----

struct numbered : std::runtime_error {
    int number;
    explicit numbered(int n) : std::runtime_error("number " + std::to_string(n)), number(n) {}
};

void wait_a_little(int n)
{
    for (int i = 0; i < 3; i++) {
        if ((n + i) % 3)
            weft_yield();
        else
            weft_sleep(1000 * (n % 7));
    }
}

// Parks while an exception is on its way through its frame.
struct parks {
    int number;
    ~parks()
    {
        CHECK(std::uncaught_exceptions() == 1);
        wait_a_little(number);
        CHECK(std::uncaught_exceptions() == 1);
    }
};

__attribute__((noinline)) void throw_numbered(int n)
{
    parks p{n};
    throw numbered(n);
}

void catch_and_park(int n)
{
    CHECK(!std::current_exception());
    try {
        throw_numbered(n);
    } catch (const numbered &e) {
        wait_a_little(n);
        CHECK(e.number == n);
        try {
            throw_numbered(n + 1000000);
        } catch (const numbered &inner) {
            wait_a_little(n);
            CHECK(inner.number == n + 1000000);
        }
        wait_a_little(n);
        try {
            throw;
        } catch (const std::exception &again) {
            CHECK(again.what() == "number " + std::to_string(n));
            CHECK(&again == &e);
            wait_a_little(n);
        }
        CHECK(std::current_exception());
    }
    CHECK(!std::current_exception());
    CHECK(std::uncaught_exceptions() == 0);
}

weft_waitgroup all;

void park_often(void *arg)
{
    int n = *static_cast<int *>(arg);
    for (int i = 0; i < 20; i++)
        catch_and_park(n);
}

void leave_within_catch(void *arg)
{
    WEFT_DEFER([](void *) { weft_waitgroup_done(&all); }, nullptr);
    try {
        throw_numbered(*static_cast<int *>(arg));
    } catch (...) {
        weft_goexit();
    }
}

// Each goroutine's catch blocks are its own, whatever others throw meanwhile and on whatever thread it goes on; who
// leaves one for good leaves nothing for the next on its thread.
void park_in_catch(void *)
{
    static int numbers[40];
    for (int i = 0; i < 40; i++) {
        numbers[i] = i;
        CHECK(weft_waitgroup_go(&all, park_often, &numbers[i]) == 0);
        weft_waitgroup_add(&all, 1);
        CHECK(weft_go(leave_within_catch, &numbers[i]) == 0);
    }
    weft_waitgroup_wait(&all);
    CHECK(!std::current_exception());
}

void *catch_below(void *arg)
{
    CHECK(std::current_exception());
    try {
        throw numbered(3);
    } catch (const numbered &e) {
        CHECK(e.number == 3);
    }
    return arg;
}

// What is thrown and caught in a section is of the thread, and the goroutine's own is as it was.
void section_in_catch(void *)
{
    try {
        throw_numbered(1);
    } catch (const numbered &e) {
        for (int i = 0; i < 100; i++) {
            CHECK(weft_blocking(catch_below, nullptr) == nullptr);
            weft_yield();
        }
        CHECK(e.number == 1);
    }
    CHECK(!std::current_exception());
}

// ---- what becomes a panic ----

void throws(void *arg)
{
    WEFT_DEFER(note, &letters[0]);
    throw numbered(*static_cast<int *>(arg));
}

void throws_int(void *)
{
    throw 5;
}

struct named {
};

void throws_named(void *)
{
    throw named();
}

struct side {
    virtual ~side() = default;
    int padding[3] = {};
};

struct both : side, std::logic_error {
    both() : std::logic_error("both") {}
};

struct deep : virtual both {
};

struct hidden : private std::logic_error {
    hidden() : std::logic_error("hidden") {}
};

void throws_both(void *)
{
    throw both();
}

void throws_deep(void *)
{
    throw deep();
}

void throws_hidden(void *)
{
    throw hidden();
}

void throws_again(void *)
{
    try {
        throw numbered(7);
    } catch (...) {
        throw;
    }
}

void rethrows(void *arg)
{
    std::rethrow_exception(*static_cast<std::exception_ptr *>(arg));
}

void *throws_below(void *arg)
{
    throws(arg);
    return nullptr;
}

void section_throws(void *arg)
{
    weft_blocking(throws_below, arg);
}

void expect(weft_fn fn, void *arg, const char *message)
{
    bool handling = std::current_exception() != nullptr;
    weft_panic_info info;
    CHECK(weft_try(fn, arg, &info));
    if (std::strcmp(info.message, message) != 0) {
        std::fprintf(stderr, "\"%s\" instead of \"%s\"\n", info.message, message);
        std::abort();
    }
    CHECK(info.trace);
    weft_panic_clear(&info);
    CHECK(weft_try(fn, arg, nullptr));
    CHECK((std::current_exception() != nullptr) == handling);
    CHECK(std::uncaught_exceptions() == 0);
}

// An exception that would leave weft_try's function is a panic with its what().
void tried(void *)
{
    int n = 42;
    std::exception_ptr kept = std::make_exception_ptr(numbered(9));
    order.clear();
    expect(throws, &n, "number 42");
    CHECK(order == "aa");
    expect(throws_int, nullptr, "exception of type int");
    expect(throws_named, nullptr, "exception of type (anonymous namespace)::named");
    expect(throws_both, nullptr, "both");
    expect(throws_deep, nullptr, "both");
    expect(throws_hidden, nullptr, "exception of type (anonymous namespace)::hidden");
    expect(throws_again, nullptr, "number 7");
    expect(rethrows, &kept, "number 9");
    expect(section_throws, &n, "number 42");
    try {
        std::rethrow_exception(kept);
    } catch (const numbered &e) {
        CHECK(e.number == 9);
    }
}

// The exception that is being handled stays its handler's when a try within the handler rethrows it.
void tried_within_catch(void *)
{
    try {
        throw numbered(1);
    } catch (const numbered &e) {
        weft_panic_info info;
        CHECK(weft_try([](void *) { throw; }, nullptr, &info));
        CHECK(std::strcmp(info.message, "number 1") == 0);
        weft_panic_clear(&info);
        CHECK(e.number == 1);
        int n = 2;
        expect(
            [](void *arg) {
                CHECK(weft_try(throws, arg, nullptr));
                throw named();
            },
            &n, "exception of type (anonymous namespace)::named");
        CHECK(std::current_exception());
        CHECK(e.number == 1);
    }
    CHECK(!std::current_exception());
}

// ---- what becomes of its object ----

void everywhere(weft_fn fn)
{
    fn(nullptr);
    CHECK(weft_run(fn, nullptr, nullptr) == 0);
}

std::atomic<int> live;

struct counted {
    int intact = 1;
    counted() { live++; }
    counted(const counted &) { live++; }
    ~counted()
    {
        live--;
        intact = 0;
    }
};

void throws_counted(void *)
{
    throw counted();
}

void throws_counted_again(void *)
{
    try {
        throw counted();
    } catch (...) {
        throw;
    }
}

void throws_on(void *)
{
    throw;
}

void panics(void *)
{
    weft_panic("instead");
}

void replaced(void *)
{
    WEFT_DEFER(panics, nullptr);
    throws_counted_again(nullptr);
}

// Both are thrown again, each where the catch block that has it is left by the next.
void replaced_in_catch(void *)
{
    WEFT_DEFER(
        [](void *) {
            try {
                throw counted();
            } catch (...) {
                throws_counted_again(nullptr);
            }
        },
        nullptr);
    throws_counted_again(nullptr);
}

void thrown_on_in_deferred(void *)
{
    WEFT_DEFER(throws_on, nullptr);
    throws_counted_again(nullptr);
}

void panics_in_two_catches(void *)
{
    try {
        throw counted();
    } catch (...) {
        try {
            throw counted();
        } catch (...) {
            panics(nullptr);
        }
    }
}

template <weft_fn fn> void in_section(void *arg)
{
    weft_blocking(
        [](void *below) -> void * {
            fn(below);
            return nullptr;
        },
        arg);
}

template <weft_fn fn> void then_exits(void *)
{
    WEFT_DEFER([](void *) { weft_waitgroup_done(&all); }, nullptr);
    WEFT_DEFER([](void *) { weft_goexit(); }, nullptr);
    fn(nullptr);
}

template <weft_fn fn> void each_way(void *)
{
    CHECK(weft_try(fn, nullptr, nullptr));
    CHECK(live == 0);
    CHECK(weft_try(in_section<fn>, nullptr, nullptr));
    CHECK(live == 0);
    CHECK(!std::current_exception());
    CHECK(std::uncaught_exceptions() == 0);
    try {
        throw counted();
    } catch (const counted &e) {
        CHECK(weft_try(fn, nullptr, nullptr));
        CHECK(weft_try(in_section<fn>, nullptr, nullptr));
        CHECK(live == 1 && e.intact);
    }
    CHECK(live == 0);
}

template <weft_fn fn> void ended(void *)
{
    weft_waitgroup_add(&all, 2);
    CHECK(weft_go(then_exits<fn>, nullptr) == 0);
    CHECK(weft_go(then_exits<in_section<fn>>, nullptr) == 0);
    weft_waitgroup_wait(&all);
    while (live != 0 || weft_num_goroutine() != 1)
        weft_yield();
}

template <weft_fn fn> void whatever_becomes_of()
{
    everywhere(each_way<fn>);
    CHECK(weft_run(ended<fn>, nullptr, nullptr) == 0);
}

// The handler's own exception is as long as its handler, however often it is thrown again and tried below that.
void tried_and_thrown_again(void *)
{
    for (weft_fn fn : {throws_on, in_section<throws_on>}) {
        try {
            throw counted();
        } catch (const counted &e) {
            CHECK(weft_try(fn, nullptr, nullptr));
            CHECK(live == 1 && e.intact);
        }
        CHECK(live == 0);
        try {
            try {
                throw counted();
            } catch (const counted &) {
                CHECK(weft_try(fn, nullptr, nullptr));
                CHECK(weft_try(fn, nullptr, nullptr));
                throw;
            }
        } catch (const counted &e) {
            CHECK(live == 1 && e.intact);
        }
        CHECK(live == 0);
    }
}

// ---- what is left ----

void panics_among_destructors(void *)
{
    destroyed first{'1'};
    WEFT_DEFER(note, &letters[1]);
    destroyed second{'2'};
    WEFT_DEFER(note, &letters[2]);
    weft_panic("left");
}

void panics_in_catch(void *)
{
    try {
        throw numbered(1);
    } catch (...) {
        weft_panic("in a catch block");
    }
}

// Of frames that a panic leaves, what was deferred runs, and destructors don't.
void left(void *)
{
    order.clear();
    {
        WEFT_DEFER(note, &letters[0]);
        weft_panic_info info;
        CHECK(weft_try(panics_among_destructors, nullptr, &info));
        CHECK(std::strcmp(info.message, "left") == 0);
        weft_panic_clear(&info);
        CHECK(order == "cb");
    }
    CHECK(order == "cba");
    CHECK(weft_try(panics_in_catch, nullptr, nullptr));
    CHECK(!std::current_exception());
}

void throws_through_deferred(void *)
{
    WEFT_DEFER(note, &letters[1]);
    destroyed d{'1'};
    WEFT_DEFER(note, &letters[2]);
    throw numbered(1);
}

// Caught on the way, destructors and deferred calls run in their order.
void caught(void *)
{
    order.clear();
    {
        WEFT_DEFER(note, &letters[0]);
        try {
            throws_through_deferred(nullptr);
        } catch (const numbered &) {
            note(&letters[25]);
        }
    }
    CHECK(order == "c1bza");
}

void once_throws(void *)
{
    throw numbered(1);
}

// Through weft's own C frames.
void through_once(void *)
{
    weft_once once = {};
    try {
        weft_once_do(&once, once_throws, nullptr);
        CHECK(false);
    } catch (const numbered &) {
    }
    weft_once_do(&once, once_throws, nullptr);
}

// ---- what must die ----

void throws_in_goroutine(void *)
{
    static int n = 42;
    static weft_waitgroup never;
    weft_waitgroup_add(&never, 1);
    CHECK(weft_go(throws, &n) == 0);
    weft_waitgroup_wait(&never);
}

void throws_in_main(void *)
{
    WEFT_DEFER(
        [](void *) {
            std::puts("deferred");
            std::fflush(stdout);
        },
        nullptr);
    throw std::runtime_error("in main");
}

void throws_noexcept(void *arg) noexcept
{
    throws(arg);
}

void die(const char *how)
{
    static int number = 13;
    if (std::strcmp(how, "goroutine") == 0)
        weft_run(throws_in_goroutine, nullptr, nullptr);
    else if (std::strcmp(how, "main") == 0)
        weft_run(throws_in_main, nullptr, nullptr);
    else if (std::strcmp(how, "type") == 0)
        weft_run(throws_named, nullptr, nullptr);
    else if (std::strcmp(how, "noexcept") == 0)
        weft_run(throws_noexcept, &number, nullptr);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 2) {
        die(argv[1]);
        std::puts("survived");
        return 3;
    }
    CHECK(weft_run(park_in_catch, nullptr, nullptr) == 0);
    CHECK(weft_run(section_in_catch, nullptr, nullptr) == 0);
    everywhere(tried);
    everywhere(tried_within_catch);
    everywhere(tried_and_thrown_again);
    whatever_becomes_of<throws_counted>();
    whatever_becomes_of<throws_counted_again>();
    whatever_becomes_of<replaced>();
    whatever_becomes_of<replaced_in_catch>();
    whatever_becomes_of<thrown_on_in_deferred>();
    whatever_becomes_of<panics_in_two_catches>();
    everywhere(left);
    everywhere(caught);
    everywhere(through_once);
}
