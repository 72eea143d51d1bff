/* SPDX-License-Identifier: Apache-2.0
 * idle_queue.c - what is queued on a processor that a blocking section lets go runs at once. */
#include "../test.h"

static int fds[2];
static atomic_int late;

static void nothing(void *arg)
{
    (void)arg;
}

static void write_byte(void *arg)
{
    (void)arg;
    CHECK_EQ(write(fds[1], "x", 1), 1);
}

/* Wait for the byte; one that comes late comes when this has returned. */
static void *await_byte(void *arg)
{
    char c;
    struct pollfd poll_fd = {.fd = fds[0], .events = POLLIN};
    int limit_ms = 2000 * (test_slowness() > 1 ? 10 : 1);
    if (poll(&poll_fd, 1, limit_ms) != 1) {
        atomic_fetch_add(&late, 1);
        test_dump_stats();
    } else {
        CHECK_EQ(read(fds[0], &c, 1), 1);
    }
    return arg;
}

/* Small groups make the processor notice that waking others hardly pays, and pause with it. */
static void bursts(int n)
{
    for (int k = 0; k < 20; k++) {
        weft_waitgroup wg = {0};
        for (int i = 0; i < n; i++)
            CHECK_EQ(weft_waitgroup_go(&wg, nothing, NULL), 0);
        weft_waitgroup_wait(&wg);
    }
}

static void block_before_queued(void *arg)
{
    int n = *(int *)arg;
    for (int i = 0; i < test_scale(1000) && atomic_load(&late) == 0; i++) {
        weft_waitgroup wg = {0};
        bursts(n);
        CHECK_EQ(weft_waitgroup_go(&wg, write_byte, NULL), 0);
        for (int k = 0; k < n; k++)
            CHECK_EQ(weft_waitgroup_go(&wg, nothing, NULL), 0);
        CHECK_EQ(weft_go(nothing, NULL), 0); /* displaces the last of them from the fast slot */
        weft_blocking(await_byte, NULL);
        weft_waitgroup_wait(&wg);
    }
}

static void queue_and_block(int n)
{
    atomic_store(&late, 0);
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    CHECK_EQ(test_run(block_before_queued, &n), 0);
    CHECK_EQ(atomic_load(&late), 0);
    close(fds[0]);
    close(fds[1]);
}

TEST(one_queued_runs_when_its_processor_blocks)
{
    /* Goal: goroutines queued where one enters a blocking section run meanwhile, soon. The story: a
     * pause in waking others, and a queue of an idle processor that thieves passed over, left them
     * there until the section was over.
     * Method: what ends the section is queued just before, after bursts that bring about a pause. */
    queue_and_block(1);
}

TEST(some_queued_run_when_their_processor_blocks)
{
    /* Goal and method as above, with three more in the queue. */
    queue_and_block(3);
}
