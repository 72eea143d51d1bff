/* SPDX-License-Identifier: Apache-2.0
 * errors.c - errors as values with a story (chapter 5 of "Concurrency in Go"). Each module wraps what comes from below into an error of its
 * own, and says what the user may be told. What comes up raw, because nobody thought of it, is a bug: the user gets "unexpected", and
 * a number that leads the operator to the whole story in the log. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weft/weft.h>

/* ---- low-level module ---- */

static weft_error *check_executable(const char *path)
{
    struct stat info;
    if (stat(path, &info))
        return weft_error_new(-ENOENT, "stat %s: %s", path, strerror(ENOENT));
    return info.st_mode & S_IXUSR ? NULL : weft_error_new(-EACCES, "%s isn't executable", path);
}

/* ---- intermediate module ---- */

enum { JOB_FAILED = 1 };

/* wraps: whether it keeps to the rule. */
static weft_error *run_job(const char *id, const char *binary, bool wraps)
{
    weft_error *error = check_executable(binary);
    if (!error || !wraps)
        return error;
    error = weft_error_wrap(error, JOB_FAILED, "job %s: requisite binaries not available", id);
    weft_error_set_user_message(error, "Cannot run job \"%s\": requisite binaries not available.",
                                id);
    return error;
}

/* ---- main ---- */

/* A line for the operator, one for the user. */
static void handle_error(int number, weft_error *error)
{
    const char *message = weft_error_user_message(error);
    char *story = weft_error_json(error);
    fprintf(stderr, "[log %d] %s\n", number, story ? story : weft_error_message(error));
    printf("[%d] %s\n", number,
           message ? message : "There was an unexpected issue; please report this as a bug.");
    free(story);
    weft_error_unref(error);
}

static void main_goroutine(void *arg)
{
    (void)arg;
    for (int number = 1; number <= 2; number++) {
        weft_error *error = run_job("1", "/bad/job/binary", number == 2);
        if (error)
            handle_error(number, error);
    }
}

int main(void)
{
    return weft_run(main_goroutine, NULL, NULL);
}
