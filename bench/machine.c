/* SPDX-License-Identifier: Apache-2.0
 * machine.c - weft-bench --machine: which machine this is and what its operations cost, to budget with
 * (docs: DESIGN's "What the machine allows"). Each figure is the median of several rounds. Without weft:
 * what is measured here is what weft itself has to live with. */
#include "bench/harness.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { ROUNDS = 7, LINE = 64 };

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare_double(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Median over rounds of measure(n), which returns nanoseconds for n operations; < 0: can't be done. */
static double median_of(double (*measure)(int n), int n)
{
    double each[ROUNDS];
    measure(n / 4 + 1);
    for (int i = 0; i < ROUNDS; i++) {
        each[i] = measure(n) / n;
    }
    qsort(each, ROUNDS, sizeof(*each), compare_double);
    return each[ROUNDS / 2];
}

static void print_cost(const char *what, double ns)
{
    if (ns < 0) {
        printf("%-28s -\n", what);
    } else if (ns < 1000) {
        printf("%-28s %.1f ns\n", what, ns);
    } else {
        printf("%-28s %.2f us\n", what, ns / 1000);
    }
}

/* Operations of one thread. */

static double locked_rmw(int n)
{
    static _Alignas(LINE) uint64_t word;
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
    }
    return now_ns() - begin;
}

static double compare_exchange(int n)
{
    static _Alignas(LINE) uint64_t word;
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        uint64_t expected = word;
        __atomic_compare_exchange_n(&word, &expected, expected + 1, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_RELAXED);
    }
    return now_ns() - begin;
}

static double store_fence(int n)
{
    static _Alignas(LINE) uint64_t word;
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        __atomic_store_n(&word, (uint64_t)i, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    return now_ns() - begin;
}

static double cycle_counter(int n)
{
#if defined(__x86_64__)
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        uint64_t cycles = __builtin_ia32_rdtsc();
        __asm__ volatile("" ::"r"(cycles));
    }
    return now_ns() - begin;
#elif defined(__aarch64__)
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        uint64_t cycles;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(cycles));
    }
    return now_ns() - begin;
#else
    (void)n;
    return -1;
#endif
}

static double clock_read(int n)
{
    struct timespec now;
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    return now_ns() - begin;
}

static double system_call(int n)
{
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        syscall(SYS_getppid);
    }
    return now_ns() - begin;
}

enum { STACK_BYTES = 64 * 1024 };

/* Touch the last page of n stacks that were never used, with or without a guard at the first. */
static double touch_stacks(int n, bool guards)
{
    size_t bytes = (size_t)n * STACK_BYTES;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *stacks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stacks == MAP_FAILED) {
        return -1;
    }
    madvise(stacks, bytes, MADV_NOHUGEPAGE);
    bool failed = false;
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        char *stack = stacks + (size_t)i * STACK_BYTES;
        failed |= guards && madvise(stack, page, MADV_GUARD_INSTALL);
        *(volatile char *)(stack + STACK_BYTES - 1) = 1;
    }
    double elapsed = now_ns() - begin;
    munmap(stacks, bytes);
    return failed ? -1 : elapsed;
}

static double first_touch(int n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (size_t)n * page;
    char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return -1;
    }
    madvise(pages, bytes, MADV_NOHUGEPAGE);
    double begin = now_ns();
    for (int i = 0; i < n; i++) {
        *(volatile char *)(pages + (size_t)i * page) = 1;
    }
    double elapsed = now_ns() - begin;
    munmap(pages, bytes);
    return elapsed;
}

static double first_stack(int n)
{
    return touch_stacks(n, false);
}

static double first_stack_guarded(int n)
{
    return touch_stacks(n, true);
}

/* Two threads on two CPUs take turns. */

struct turns {
    _Alignas(LINE) uint32_t word;
    int n;
    int cpu;
    void (*wait_for)(struct turns *turns, uint32_t value);
    void (*set)(struct turns *turns, uint32_t value);
};

static void spin_for(struct turns *turns, uint32_t value)
{
    while (__atomic_load_n(&turns->word, __ATOMIC_ACQUIRE) != value) {
    }
}

static void spin_set(struct turns *turns, uint32_t value)
{
    __atomic_store_n(&turns->word, value, __ATOMIC_RELEASE);
}

static void futex_wait_for(struct turns *turns, uint32_t value)
{
    uint32_t seen;
    while ((seen = __atomic_load_n(&turns->word, __ATOMIC_ACQUIRE)) != value) {
        syscall(SYS_futex, &turns->word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }
}

static void futex_set(struct turns *turns, uint32_t value)
{
    __atomic_store_n(&turns->word, value, __ATOMIC_RELEASE);
    syscall(SYS_futex, &turns->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* The nth CPU that this process may use, -1 when there are fewer. */
static int allowed_cpu(int nth)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed)) {
        return -1;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && nth-- == 0) {
            return cpu;
        }
    }
    return -1;
}

static void run_on(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static void *answer_turns(void *arg)
{
    struct turns *turns = arg;
    run_on(turns->cpu);
    for (int i = 0; i < turns->n; i++) {
        turns->wait_for(turns, (uint32_t)(2 * i + 1));
        turns->set(turns, (uint32_t)(2 * i + 2));
    }
    return NULL;
}

static double take_turns(struct turns *turns)
{
    pthread_t other;
    cpu_set_t before;
    int cpu = allowed_cpu(0);
    turns->cpu = allowed_cpu(1);
    if (turns->cpu < 0 || sched_getaffinity(0, sizeof(before), &before) ||
        pthread_create(&other, NULL, answer_turns, turns)) {
        return -1;
    }
    run_on(cpu);
    double begin = now_ns();
    for (int i = 0; i < turns->n; i++) {
        turns->set(turns, (uint32_t)(2 * i + 1));
        turns->wait_for(turns, (uint32_t)(2 * i + 2));
    }
    double elapsed = now_ns() - begin;
    pthread_join(other, NULL);
    sched_setaffinity(0, sizeof(before), &before);
    return elapsed;
}

static double line_round_trip(int n)
{
    struct turns turns = {.n = n, .wait_for = spin_for, .set = spin_set};
    return take_turns(&turns);
}

static double futex_round_trip(int n)
{
    struct turns turns = {.n = n, .wait_for = futex_wait_for, .set = futex_set};
    return take_turns(&turns);
}

/* Which machine. */

static void print_cpu_model(void)
{
    char line[256];
    FILE *info = fopen("/proc/cpuinfo", "re");
    while (info && fgets(line, sizeof(line), info)) {
        char *value = strchr(line, ':');
        if (!strncmp(line, "model name", 10) && value) {
            printf("%-28s%s", "CPU", value + 1);
            break;
        }
    }
    if (info) {
        fclose(info);
    }
}

static void print_cores(void)
{
    cpu_set_t allowed;
    int usable = sched_getaffinity(0, sizeof(allowed), &allowed) ? 0 : CPU_COUNT(&allowed);
    printf("%-28s %d, %ld online\n", "CPUs usable", usable, sysconf(_SC_NPROCESSORS_ONLN));
}

int machine_main(void)
{
    struct utsname kernel;
    double load[3];
    print_cpu_model();
    print_cores();
    if (!uname(&kernel)) {
        printf("%-28s %s %s %s\n", "kernel", kernel.sysname, kernel.release, kernel.machine);
    }
    if (getloadavg(load, 3) == 3) {
        printf("%-28s %.2f %.2f %.2f\n", "load average", load[0], load[1], load[2]);
    }
    print_cost("locked RMW", median_of(locked_rmw, 1000000));
    print_cost("CAS", median_of(compare_exchange, 1000000));
    print_cost("store + full fence", median_of(store_fence, 1000000));
    print_cost("cycle counter", median_of(cycle_counter, 1000000));
    print_cost("clock_gettime", median_of(clock_read, 200000));
    print_cost("system call (getppid)", median_of(system_call, 100000));
    print_cost("cache line there and back", median_of(line_round_trip, 50000));
    print_cost("futex wake-up, round trip", median_of(futex_round_trip, 1000));
    print_cost("first touch of a page", median_of(first_touch, 4096));
    print_cost("first touch of a stack", median_of(first_stack, 2048));
    print_cost("the same, and a guard", median_of(first_stack_guarded, 2048));
    return 0;
}
