/* SPDX-License-Identifier: Apache-2.0
 * 4-queuing - chapter 4, queuing: a queue between two stages doesn't make the slower of them any faster, but the one
 * before it is free sooner; and where many small pieces of work can be done as one, as writes to a file
 * can, it makes them cheaper. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#define SHORT (WEFT_MILLISECOND / 10)
enum { ITEMS = 20, WRITES = 20000, BATCH = 4096, TRIES = 20 };

/* ---- a queue in front of a stage that takes long ---- */

static void take_long(void *out, const void *in, void *arg)
{
    weft_sleep(*(int64_t *)arg);
    *(int *)out = *(const int *)in;
}

struct feeding {
    weft_chan *in;
    int64_t begin, took;
    weft_waitgroup fed;
};

static void feed(void *arg)
{
    struct feeding *f = arg;
    for (int i = 0; i < ITEMS; i++)
        weft_chan_send(f->in, &i);
    weft_chan_close(f->in);
    f->took = weft_now() - f->begin;
    weft_waitgroup_done(&f->fed);
}

/* How long it takes to get rid of the items. */
static int64_t through(size_t queue)
{
    int64_t slow = SHORT;
    int sum = 0;
    struct feeding f = {.in = weft_chan_new(sizeof(int), 0), .begin = weft_now()};
    weft_chan *in = weft_chan_ref(f.in);
    if (queue)
        in = weft_buffer(NULL, in, queue);
    weft_chan *out = weft_map(NULL, in, sizeof(int), take_long, &slow);
    weft_waitgroup_add(&f.fed, 1);
    weft_go(feed, &f);
    WEFT_RANGE(int, v, out) sum += v;
    int64_t total = weft_now() - f.begin;
    weft_waitgroup_wait(&f.fed);
    weft_chan_unref(out);
    weft_chan_unref(f.in);
    printf("queue of %2zu: fed in %5" PRId64 " us, through in %5" PRId64 " us, sum %d\n", queue,
           f.took / 1000, total / 1000, sum);
    return f.took;
}

/* ---- a writer that batches ---- */

static int64_t write_all(int fd, size_t batch)
{
    char piece[BATCH];
    size_t filled = 0;
    int64_t begin = weft_now();
    weft_chan *done = weft_chan_new(0, 0);
    weft_chan *bytes = weft_take(done, weft_repeat(done, "x", 1, 1), WRITES);
    WEFT_RANGE(char, byte, bytes)
    {
        piece[filled++] = byte;
        if (filled == batch) {
            if (write(fd, piece, filled) != (ssize_t)filled)
                perror("write");
            filled = 0;
        }
    }
    if (filled && write(fd, piece, filled) != (ssize_t)filled)
        perror("write");
    weft_chan_unref(bytes);
    weft_chan_close(done);
    weft_chan_unref(done);
    int64_t took = weft_now() - begin;
    printf("writes of %4zu: %6" PRId64 " ns a byte\n", batch, took / WRITES);
    return took;
}

/* A machine that is busy with something else may turn any comparison round, now and then. */
static bool queue_is_sooner(void)
{
    for (int tries = 0; tries < TRIES; tries++)
        if (through(ITEMS) < through(0))
            return true;
    return false;
}

static bool batches_are_faster(int fd)
{
    for (int tries = 0; tries < TRIES; tries++)
        if (write_all(fd, BATCH) < write_all(fd, 1))
            return true;
    return false;
}

static void queue(void *arg)
{
    (void)arg;
    printf("%s\n", queue_is_sooner() ? "free sooner with a queue" : "a queue is no help");
    FILE *file = tmpfile();
    if (!file) {
        perror("tmpfile");
        return;
    }
    printf("%s\n", batches_are_faster(fileno(file)) ? "the batched writer is faster"
                                                    : "batches are no help");
    off_t size = lseek(fileno(file), 0, SEEK_END);
    printf("%s\n", size > 0 && size % WRITES == 0 ? "nothing is lost" : "bytes are lost");
    fclose(file);
}

int main(void)
{
    return weft_run(queue, NULL, NULL);
}
