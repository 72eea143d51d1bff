/* SPDX-License-Identifier: Apache-2.0
 * The rows of weft-bench that have a counterpart in the C library, with threads in place of goroutines. Flags and output
 * are as bench/peers/go/main.go says. On WEFT_MAXPROCS CPUs: the first of those that this process may use. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CROWD = 8 };

static _Alignas(64) struct {
    pthread_mutex_t mutex;
    int64_t counter;
} contended = {.mutex = PTHREAD_MUTEX_INITIALIZER}; /* one cache line, as weft's */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Plain: under the locks. Volatile where a compiler sees that nobody else writes. */
static int64_t counter, calls;
static volatile int64_t value = 3;
static int turn;

struct worker {
    void (*work)(struct worker *self);
    int64_t ops, sum;
    int mine;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- what one thread does ---- */

static void lock_often(struct worker *self)
{
    for (int64_t i = 0; i < self->ops; i++) {
        pthread_mutex_lock(&contended.mutex);
        contended.counter++;
        pthread_mutex_unlock(&contended.mutex);
    }
}

static void read_often(struct worker *self)
{
    int64_t sum = 0; /* not in a line that others write */
    for (int64_t i = 0; i < self->ops; i++) {
        pthread_rwlock_rdlock(&rwlock);
        sum += value;
        pthread_rwlock_unlock(&rwlock);
    }
    self->sum = sum;
}

static void take_turns(struct worker *self)
{
    for (int64_t i = 0; i < self->ops; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != self->mine)
            pthread_cond_wait(&turned, &mutex);
        turn = !self->mine;
        counter++;
        pthread_cond_signal(&turned);
        pthread_mutex_unlock(&mutex);
    }
}

static void count_call(void)
{
    calls++;
}

static void do_once(struct worker *self)
{
    for (int64_t i = 0; i < self->ops; i++)
        pthread_once(&once, count_call);
}

static void *run_worker(void *arg)
{
    struct worker *self = arg;
    self->work(self);
    return NULL;
}

/* ---- rows: n threads, which share the iterations or each do all of them; the sum of what they read ---- */

static int64_t run_workers(int n, bool share, int64_t iterations, void (*work)(struct worker *self),
                           int64_t *elapsed_ns)
{
    static struct worker workers[CROWD];
    pthread_t threads[CROWD];
    int64_t sum = 0, begin = now_ns();
    contended.counter = counter = turn = 0;
    for (int i = 0; i < n; i++) {
        workers[i] = (struct worker){.work = work, .mine = i, .ops = iterations};
        if (share)
            workers[i].ops = iterations / n + (i < iterations % n);
        if (i > 0 && pthread_create(&threads[i], NULL, run_worker, &workers[i])) {
            fprintf(stderr, "no thread to be had\n");
            exit(1);
        }
    }
    run_worker(&workers[0]);
    for (int i = 1; i < n; i++)
        pthread_join(threads[i], NULL);
    *elapsed_ns = now_ns() - begin;
    for (int i = 0; i < n; i++)
        sum += workers[i].sum;
    return sum;
}

static int64_t locks(int threads, int64_t iterations)
{
    int64_t elapsed_ns;
    run_workers(threads, true, iterations, lock_often, &elapsed_ns);
    return contended.counter == iterations ? elapsed_ns : -1;
}

static int64_t readers(int threads, int64_t iterations)
{
    int64_t elapsed_ns, sum = run_workers(threads, true, iterations, read_often, &elapsed_ns);
    return sum == 3 * iterations ? elapsed_ns : -1;
}

static int64_t mutex_uncontended(int64_t iterations)
{
    return locks(1, iterations);
}

static int64_t mutex_contended(int64_t iterations)
{
    return locks(CROWD, iterations);
}

static int64_t rwmutex_rlock(int64_t iterations)
{
    return readers(1, iterations);
}

static int64_t rwmutex_readers8(int64_t iterations)
{
    return readers(CROWD, iterations);
}

static int64_t cond_pingpong(int64_t iterations)
{
    int64_t elapsed_ns;
    run_workers(2, false, iterations, take_turns, &elapsed_ns);
    return counter == 2 * iterations ? elapsed_ns : -1;
}

static int64_t once_done(int64_t iterations)
{
    int64_t elapsed_ns;
    run_workers(1, true, iterations, do_once, &elapsed_ns);
    return calls == 1 ? elapsed_ns : -1;
}

static const struct row {
    const char *name;
    int64_t (*body)(
        int64_t iterations); /* the nanoseconds it took; below zero: the result is wrong */
} rows[] = {
    {"mutex_uncontended", mutex_uncontended}, {"mutex_contended", mutex_contended},
    {"rwmutex_rlock", rwmutex_rlock},         {"rwmutex_readers8", rwmutex_readers8},
    {"cond_pingpong", cond_pingpong},         {"once_done", once_done},
};

/* Grow the iterations until a call takes min_time, after one that warms up. */
static bool report(const struct row *row, double min_time)
{
    int64_t iterations = 1000, elapsed_ns = row->body(iterations);
    while (elapsed_ns >= 0 && (double)elapsed_ns < min_time * 1e9 && iterations < 1000000000) {
        double growth = 1.4 * min_time * 1e9 / (double)(elapsed_ns + 1);
        iterations = (int64_t)((double)iterations * (growth > 10 ? 10 : growth)) + 1;
        elapsed_ns = row->body(iterations);
    }
    if (elapsed_ns < 0)
        printf("{\"name\": \"%s\", \"error\": \"a wrong count\"}\n", row->name);
    else
        printf("{\"name\": \"%s\", \"ns_per_op\": %.4f, \"iterations\": %lld}\n", row->name,
               (double)elapsed_ns / (double)iterations, (long long)iterations);
    return elapsed_ns >= 0;
}

static void keep_to_cpus(int n)
{
    cpu_set_t allowed, first;
    CPU_ZERO(&first);
    if (n < 1 || sched_getaffinity(0, sizeof allowed, &allowed))
        return;
    for (int cpu = 0; cpu < CPU_SETSIZE && n > 0; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            CPU_SET(cpu, &first);
            n--;
        }
    }
    sched_setaffinity(0, sizeof first, &first);
}

int main(int argc, char **argv)
{
    const char *wanted = NULL, *procs = getenv("WEFT_MAXPROCS");
    double min_time = 0.5;
    bool list = false, ok = true;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-list"))
            list = true;
        else if (!strcmp(argv[i], "-row") && i + 1 < argc)
            wanted = argv[++i];
        else if (!strcmp(argv[i], "-min_time") && i + 1 < argc)
            min_time = atof(argv[++i]);
        else {
            fprintf(stderr, "usage: %s [-list] [-row NAME] [-min_time SECONDS]\n", argv[0]);
            return 2;
        }
    }
    keep_to_cpus(procs ? atoi(procs) : 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (wanted && strcmp(wanted, rows[i].name) != 0)
            continue;
        if (list)
            puts(rows[i].name);
        else
            ok = report(&rows[i], min_time) && ok;
    }
    return !ok;
}
