/* SPDX-License-Identifier: Apache-2.0
 * main.c - digest: print the SHA-256 of every regular file under the given paths, as sha256sum does.
 *
 * Options, progress, and the sorted output; digest.h says how the work is done. */
#include "digest.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROGRESS_NS (100 * WEFT_MILLISECOND)

enum {
    EXIT_USAGE = 2,
    EXIT_INTERRUPTED = 128 + SIGINT,
    DESKS_PER_CPU = 4, /* enough that some have data while others wait for the disk */
};

atomic_bool interrupted;
static atomic_bool failed;
static const char *erase_line = ""; /* on a terminal: what removes the progress line */

static const char usage[] =
    "usage: digest [-j N] PATH...\n"
    "Print the SHA-256 of the regular files at and below each PATH, as sha256sum does,\n"
    "sorted by name. Symbolic links are not followed.\n"
    "  -j N        work on at most N files and directories at once\n"
    "  -h, --help  print this\n"
    "Status: 0 all done, 1 something failed, 2 usage, 130 interrupted.\n";

void report(const char *what, int error)
{
    atomic_store(&failed, true);
    fprintf(stderr, "%sdigest: %s: %s\n", erase_line, what, strerror(-error));
}

/* SIGINT as a channel, NULL where it is ignored, as in the background of a shell, or can't be had. */
static weft_chan *watch_interrupt(void)
{
    const int interrupt = SIGINT;
    struct sigaction found;
    bool ignored = sigaction(SIGINT, NULL, &found) == 0 && found.sa_handler == SIG_IGN;
    return ignored ? NULL : weft_signal_notify(&interrupt, 1);
}

static void draw_progress(int64_t start)
{
    double mb = (double)atomic_load(&bytes_done) / 1e6;
    double seconds = (double)(weft_now() - start) / (double)WEFT_SECOND;
    fprintf(stderr, "%s%llu files, %.0f MB, %.0f MB/s", erase_line, atomic_load(&files_done), mb,
            mb / seconds);
}

/* What the run is about. */
struct work {
    struct list roots;
    weft_chan *interrupts, *finished;
};

static void close_when_finished(void *arg)
{
    weft_waitgroup_wait(&unfinished);
    weft_chan_close(arg);
}

/* After the first interrupt the next one ends the process as usual, also during the output. */
static void digest(void *arg)
{
    struct work *work = arg;
    int64_t start = weft_now(), progress_ns = *erase_line ? PROGRESS_NS : WEFT_FOREVER;

    submit(work->roots);
    int error = weft_go(close_when_finished, work->finished);
    if (error) {
        report("cannot watch the keyboard", error);
        weft_waitgroup_wait(&unfinished);
    }
    for (bool finished = error; !finished;) {
        switch (WEFT_SELECT(WEFT_RECV(work->finished, NULL), WEFT_RECV(work->interrupts, NULL),
                            WEFT_AFTER(progress_ns))) {
        case 0:
            finished = true;
            break;
        case 1:
            atomic_store(&interrupted, true);
            weft_signal_stop(work->interrupts);
            break;
        default:
            draw_progress(start);
        }
    }
    fputs(erase_line, stderr);
}

static int compare_paths(const void *a, const void *b)
{
    const struct item *const *x = a, *const *y = b;
    return strcmp((*x)->path, (*y)->path);
}

static void print_path(const char *path)
{
    for (; *path; path++) {
        if (*path == '\\')
            fputs("\\\\", stdout);
        else if (*path == '\n')
            fputs("\\n", stdout);
        else if (*path == '\r')
            fputs("\\r", stdout);
        else
            putchar(*path);
    }
}

/* As sha256sum: a name with a backslash or a line end is escaped, and a backslash marks the line. */
static void print_line(const struct item *item)
{
    static const char digits[] = "0123456789abcdef";
    if (strpbrk(item->path, "\\\n\r"))
        putchar('\\');
    for (size_t i = 0; i < SUM_BYTES; i++) {
        putchar(digits[item->sum[i] >> 4]);
        putchar(digits[item->sum[i] & 15]);
    }
    fputs("  ", stdout);
    print_path(item->path);
    putchar('\n');
}

/* Print all results, sorted, and close stdout, since a full disk may show only then.
 * Returns 0 or a negative errno. */
static int print_results(void)
{
    size_t count = 0;
    for (struct item *item = results; item; item = item->next)
        count++;
    struct item **sorted = malloc((count + 1) * sizeof(*sorted));
    if (!sorted)
        return -ENOMEM;
    size_t n = 0;
    for (struct item *item = results; item; item = item->next)
        sorted[n++] = item;
    qsort(sorted, count, sizeof(*sorted), compare_paths);

    int error = 0;
    for (n = 0; n < count && !error; n++) {
        print_line(sorted[n]);
        if (ferror(stdout))
            error = -errno;
    }
    free(sorted);
    if (fclose(stdout) != 0 && !error)
        error = -errno;
    return error;
}

static void free_all(struct item *item)
{
    while (item) {
        struct item *next = item->next;
        free(item);
        item = next;
    }
}

/* 0 when text isn't a positive int. */
static int parse_count(const char *text)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    bool valid = *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
    return valid && n > 0 && n <= INT_MAX ? (int)n : 0;
}

/* As many desks as wanted, but no more than there are file descriptors for: a very long path takes
 * two while it is opened, and some are for the process itself. */
static int bound_by_descriptors(int wanted)
{
    enum { RESERVED = 32 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return wanted;
    rlim_t most = limit.rlim_cur > RESERVED + 2 ? (limit.rlim_cur - RESERVED) / 2 : 1;
    return (rlim_t)wanted < most ? wanted : (int)most;
}

static void list_roots(struct list *roots, char **paths)
{
    for (; *paths; paths++) {
        struct item *item = item_new("", *paths, KIND_UNKNOWN);
        if (item)
            list_append(roots, item);
        else
            report(*paths, -ENOMEM);
    }
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
    int desks = weft_num_cpu() * DESKS_PER_CPU;
    int option;

    while ((option = getopt_long(argc, argv, "hj:", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return fclose(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        if (option == 'j' && (desks = parse_count(optarg)) == 0)
            fprintf(stderr, "digest: -j wants a positive number, not '%s'\n", optarg);
        if (option == '?' || desks == 0) {
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc) {
        fputs("digest: no path given\n", stderr);
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (isatty(STDERR_FILENO))
        erase_line = "\r\033[K";

    struct work work = {.finished = weft_chan_new(0, 0)};
    list_roots(&work.roots, argv + optind);
    int error = work.finished ? desks_open(bound_by_descriptors(desks)) : -ENOMEM;
    if (!error) {
        work.interrupts = watch_interrupt();
        error = weft_run(digest, &work, NULL);
        weft_signal_stop(work.interrupts);
        weft_chan_unref(work.interrupts);
    }
    if (error)
        report("cannot start", error);
    else if ((error = print_results()) != 0)
        report("stdout", error);
    free_all(results);
    desks_close();
    weft_chan_unref(work.finished);
    if (atomic_load(&interrupted))
        return EXIT_INTERRUPTED;
    return atomic_load(&failed) ? EXIT_FAILURE : EXIT_SUCCESS;
}
