/* SPDX-License-Identifier: Apache-2.0
 * crew.h - goroutines and foreign threads that do the same with one object, and a log of who came when. */
#ifndef WEFT_TESTS_SYNC_CREW_H
#define WEFT_TESTS_SYNC_CREW_H

#include "../test.h"

enum { CREW_THREADS = 8, CREW_LOG = 128 };

struct crew_member {
    void (*fn)(int index);
    int index;
    weft_waitgroup *done;
};

struct crew {
    weft_waitgroup done;
    int threads;
    pthread_t ids[CREW_THREADS];
    struct crew_member members[CREW_THREADS]; /* that are threads */
};

static void crew_work(void *arg)
{
    struct crew_member *member = arg;
    member->fn(member->index);
    weft_waitgroup_done(member->done);
}

TEST_UNUSED static void *crew_work_on_thread(void *arg)
{
    crew_work(arg);
    return NULL;
}

/* Each calls fn with an index of its own, goroutines from 0 on, threads behind them. Without a run: threads only. */
TEST_UNUSED static void crew_start(struct crew *crew, int goroutines, int threads,
                                   void (*fn)(int index))
{
    *crew = (struct crew){.threads = threads};
    weft_waitgroup_add(&crew->done, goroutines + threads);
    for (int i = 0; i < goroutines; i++)
        CHECK_EQ(WEFT_GO(crew_work, struct crew_member, fn, i, &crew->done), 0);
    for (int i = 0; i < threads; i++) {
        crew->members[i] = (struct crew_member){fn, goroutines + i, &crew->done};
        REQUIRE(pthread_create(&crew->ids[i], NULL, crew_work_on_thread, &crew->members[i]) == 0);
    }
}

TEST_UNUSED static void *crew_join_threads(void *arg)
{
    struct crew *crew = arg;
    for (int i = 0; i < crew->threads; i++)
        pthread_join(crew->ids[i], NULL);
    return NULL;
}

TEST_UNUSED static void crew_join(struct crew *crew)
{
    weft_waitgroup_wait(&crew->done);
    weft_blocking(crew_join_threads, crew);
}

TEST_UNUSED static void crew_run(int goroutines, int threads, void (*fn)(int index))
{
    struct crew crew;
    crew_start(&crew, goroutines, threads, fn);
    crew_join(&crew);
}

/* How many take part. */
struct crew_size {
    int goroutines, threads;
};

/* Start one more goroutine, and wait until it is parked: there are `parked` then. */
TEST_UNUSED static void crew_park(uint64_t parked, weft_fn fn, void *arg)
{
    CHECK_EQ(weft_go(fn, arg), 0);
    test_until_parked(parked);
}

/* ---- the log: a letter an event, in the order of the events ---- */

static _Atomic(char) crew_log_[CREW_LOG];

TEST_UNUSED static void log_clear(void)
{
    for (int i = 0; i < CREW_LOG; i++)
        atomic_store(&crew_log_[i], '\0');
}

TEST_UNUSED static void log_event(char letter)
{
    for (int i = 0; i < CREW_LOG - 1; i++) {
        char none = '\0';
        if (atomic_compare_exchange_strong(&crew_log_[i], &none, letter))
            return;
    }
}

TEST_UNUSED static int log_length(void)
{
    int n = 0;
    while (atomic_load(&crew_log_[n]))
        n++;
    return n;
}

TEST_UNUSED static const char *log_text(char copy[static CREW_LOG])
{
    for (int i = 0; i < CREW_LOG; i++)
        copy[i] = atomic_load(&crew_log_[i]);
    return copy;
}

#define CHECK_LOG(text) CHECK_STR_EQ(log_text((char[CREW_LOG]){0}), text)

#endif
