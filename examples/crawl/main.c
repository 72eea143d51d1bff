/* SPDX-License-Identifier: Apache-2.0
 * main.c - crawl: how often each word occurs in the files under the given paths, as
 *
 *   for each file: { tr -cs A-Za-z0-9_ '\n' <FILE; echo; } | grep . | sort | uniq -c
 *
 * would have it. crawl.h shows the stages. */
#include "crawl.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    EXIT_INTERRUPTED = 128 + SIGINT,
    READERS_PER_CPU = 4, /* enough that some have data while others wait for the disk */
    READERS_MAX = 1024,
    SHOWN_PER_SECOND = 10,
};
#define SILENCE (2 * WEFT_SECOND)

static const char usage[] =
    "usage: crawl [-j N] [-w] PATH...\n"
    "Count the words in the regular files at and below each PATH: what `sort | uniq -c`\n"
    "says of them. A word is a run of letters, digits and underscores. Symbolic links\n"
    "are not followed.\n"
    "  -j N         read at most N files at once\n"
    "  -w, --watch  show the heartbeat of those who read\n"
    "  -h, --help   print this\n"
    "Status: 0 all done, 1 something failed, 2 usage, 130 interrupted.\n";

/* What the run is about. */
struct job {
    struct crawl crawl;
    size_t readers;
    bool watch, draw, interrupted, failed;
    uint64_t files;
    struct words total;
    weft_chan *interrupts;
    weft_limiter *shown; /* progress, so many times a second */
    int watchers;        /* that have been started */
    weft_waitgroup watching;
};

static void report(struct job *job, const char *what, int error)
{
    job->failed = true;
    fprintf(stderr, "%scrawl: %s: %s\n", job->draw ? "\r\033[K" : "", what, strerror(-error));
}

/* ---- signs of life ---- */

struct watch {
    struct crawl *crawl;
    weft_chan *beats;
    weft_limiter *shown;
    weft_waitgroup *watching;
};

/* Ends when the pulse does. */
static void watch_beats(void *arg)
{
    struct watch watch = *(struct watch *)arg;
    for (;;) {
        bool alive = false;
        if (WEFT_SELECT(WEFT_RECV_OK(watch.beats, NULL, &alive), WEFT_AFTER(SILENCE)) == 1)
            fputs("crawl: nothing has been read for two seconds\n", stderr);
        else if (!alive)
            break;
        else if (weft_limiter_allow(watch.shown))
            fprintf(stderr, "crawl: beat, %llu bytes\n", atomic_load(&watch.crawl->bytes));
    }
    weft_chan_unref(watch.beats);
    weft_limiter_unref(watch.shown);
    weft_waitgroup_done(watch.watching);
}

static void start_watch(struct job *job)
{
    struct watch watch = {.crawl = &job->crawl,
                          .beats = weft_chan_ref(weft_pulse_chan(job->crawl.pulse)),
                          .shown = weft_limiter_ref(job->shown),
                          .watching = &job->watching};
    weft_waitgroup_add(&job->watching, 1);
    int error = weft_go_copy(watch_beats, &watch, sizeof watch);
    job->watchers = !error;
    if (!error)
        return;
    report(job, "can't watch", error);
    weft_chan_unref(watch.beats);
    weft_limiter_unref(watch.shown);
    weft_waitgroup_done(&job->watching);
}

static void show_progress(struct job *job)
{
    if (job->draw && weft_limiter_allow(job->shown))
        fprintf(stderr, "\r\033[K%" PRIu64 " files, %llu bytes", job->files,
                atomic_load(&job->crawl.bytes));
}

/* ---- the pipeline ---- */

/* A channel of files whose words have been counted; NULL and errno. */
static weft_chan *start_pipeline(struct job *job)
{
    weft_chan **readers = calloc(job->readers, sizeof(*readers)), *counted = NULL;
    weft_chan *done = weft_ctx_done(job->crawl.ctx);
    int error = !readers ? -ENOMEM
                         : weft_fan_out(done, walk(&job->crawl), readers, job->readers,
                                        sizeof(struct file *), count_words, &job->crawl);
    if (!error)
        counted = weft_fan_in(done, readers, job->readers);
    free(readers);
    if (error)
        errno = -error;
    return counted;
}

static void add_up(struct job *job, struct file *file)
{
    int error = file->error ? file->error : words_merge(&job->total, &file->words);
    if (error)
        report(job, file->path, error);
    job->files++;
    file_free(file);
    show_progress(job);
}

static void run_job(void *arg)
{
    struct job *job = arg;
    struct file *file;
    job->crawl.ctx = weft_ctx_with_cancel(NULL);
    job->crawl.pulse = weft_pulse_new(0);
    weft_chan *counted = job->crawl.ctx && job->crawl.pulse ? start_pipeline(job) : NULL;
    if (!counted)
        report(job, "can't start", -errno);
    else if (job->watch)
        start_watch(job);
    for (bool ok = counted != NULL; ok;) {
        if (WEFT_SELECT(WEFT_RECV_OK(counted, &file, &ok), WEFT_RECV(job->interrupts, NULL)) == 1) {
            job->interrupted = true;
            weft_ctx_cancel(job->crawl.ctx);
            weft_signal_stop(job->interrupts); /* the next one ends the process */
        } else if (ok) {
            add_up(job, file);
        }
    }
    weft_chan_unref(counted);
    weft_ctx_cancel(job->crawl.ctx);
    while (weft_num_goroutine() > 1 + job->watchers) /* readers may still use the pulse */
        weft_sleep(WEFT_MILLISECOND);
    weft_pulse_unref(job->crawl.pulse);
    weft_waitgroup_wait(&job->watching);
    if (job->crawl.error)
        report(job, "not all directories were read", job->crawl.error);
    weft_ctx_unref(job->crawl.ctx);
    if (job->draw)
        fputs("\r\033[K", stderr);
}

/* ---- around it ---- */

static void print_word(const char *text, size_t length, uint64_t count, void *arg)
{
    (void)arg;
    printf("%7" PRIu64 " %.*s\n", count, (int)length, text);
}

static int parse_count(const char *text)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && n > 0 && n <= READERS_MAX ? (int)n
                                                                                        : 0;
}

/* SIGINT as a channel, NULL where it is ignored, as in the background of a shell, or can't be had. */
static weft_chan *watch_interrupt(void)
{
    const int interrupt = SIGINT;
    struct sigaction found;
    bool ignored = sigaction(SIGINT, NULL, &found) == 0 && found.sa_handler == SIG_IGN;
    return ignored ? NULL : weft_signal_notify(&interrupt, 1);
}

/* Options into *job; the index of the first path, or 0 and the exit status. */
static int parse(int argc, char **argv, struct job *job, int *status)
{
    static const struct option long_options[] = {
        {"help", no_argument, NULL, 'h'}, {"watch", no_argument, NULL, 'w'}, {0}};
    int option;
    *status = EXIT_USAGE;
    while ((option = getopt_long(argc, argv, "hj:w", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            *status = fclose(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
            return 0;
        }
        job->watch |= option == 'w';
        if (option == 'j')
            job->readers = (size_t)parse_count(optarg);
        if (job->readers == 0)
            fprintf(stderr, "crawl: -j wants a number from 1 to %d, not '%s'\n", READERS_MAX,
                    optarg);
        if (option == '?' || job->readers == 0) {
            fputs(usage, stderr);
            return 0;
        }
    }
    if (optind < argc)
        return optind;
    fputs("crawl: no path given\n", stderr);
    fputs(usage, stderr);
    return 0;
}

int main(int argc, char **argv)
{
    struct job job = {.readers = (size_t)weft_num_cpu() * READERS_PER_CPU,
                      .draw = isatty(STDERR_FILENO),
                      .shown = weft_limiter_new(SHOWN_PER_SECOND, 1)};
    int status, first = parse(argc, argv, &job, &status);
    if (first == 0) {
        weft_limiter_unref(job.shown);
        return status;
    }
    job.crawl.roots = argv + first;
    job.interrupts = watch_interrupt();
    int error = job.shown ? weft_run(run_job, &job, NULL) : -ENOMEM;
    if (error)
        report(&job, "can't start", error);
    weft_signal_stop(job.interrupts);
    weft_chan_unref(job.interrupts);
    weft_limiter_unref(job.shown);
    if (!job.interrupted)
        words_each(&job.total, print_word, NULL);
    if (ferror(stdout) || fclose(stdout) != 0)
        report(&job, "stdout", errno ? -errno : -EIO);
    words_free(&job.total);
    files_free();
    return job.interrupted ? EXIT_INTERRUPTED : job.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
