/* SPDX-License-Identifier: Apache-2.0
 * error.c - weft_error: what it knows, wrapping, print. As JSON: json.c. */
#include "../test.h"

#include <sys/utsname.h>

static int64_t unix_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

TEST_NOINLINE static weft_error *made_by_me(int code)
{
    weft_error *e = weft_error_new(code, "item %d of %s", 3, "list");
    __asm__ volatile(""); /* no tail call */
    return e;
}

static void check_origin(const weft_error *e, uint64_t goroutine)
{
    struct utsname host;
    REQUIRE(uname(&host) == 0);
    CHECK_STR_EQ(weft_error_host(e), host.nodename);
    CHECK_EQ(weft_error_goroutine(e), goroutine);
    CHECK_EQ(strlen(weft_error_trace_id(e)), 32);
    CHECK_EQ(strspn(weft_error_trace_id(e), "0123456789abcdef"), 32);
    const char *stack = weft_error_stack(e);
    CHECK_STR_HAS(stack, "made_by_me");
    CHECK_PTR_EQ(weft_error_stack(e), stack);
    CHECK_STR_HAS(strchr(stack, '\n') + 1, "knows");
    CHECK(!strstr(stack, "weft_error"));
}

TEST_NOINLINE static void knows(void *arg)
{
    int64_t before = unix_now();
    weft_error *e = made_by_me(-EIO);
    (void)arg;
    CHECK_EQ(weft_error_code(e), -EIO);
    CHECK_STR_EQ(weft_error_message(e), "item 3 of list");
    CHECK_GE(weft_error_unix_ns(e), before);
    CHECK_LE(weft_error_unix_ns(e), unix_now());
    CHECK_PTR_EQ(weft_error_user_message(e), NULL);
    CHECK_PTR_EQ(weft_error_inner(e), NULL);
    check_origin(e, weft_self());
    weft_error *other = made_by_me(-EIO);
    CHECK(strcmp(weft_error_trace_id(e), weft_error_trace_id(other)) != 0);
    weft_error_unref(other);
    CHECK_PTR_EQ(weft_error_ref(e), e);
    weft_error_unref(e);
    CHECK_EQ(weft_error_code(e), -EIO);
    weft_error_unref(e);
}

TEST(knows_what_when_and_where)
{
    /* Goal: code, message, UTC time, host, goroutine, stack from the caller on, a trace id of its own; on a goroutine and on a
     * foreign thread. */
    CHECK_EQ(test_run(knows, NULL), 0);
    knows(NULL);
}

TEST(wrapping_keeps_what_is_inside)
{
    /* Goal: the chain is asked by is() and inner(), the trace id is the innermost one's, and the user's message the
     * nearest. */
    weft_error *low = weft_error_new(-ENOENT, "low");
    weft_error *mid = weft_error_wrap(weft_error_ref(low), -EIO, "mid");
    weft_error *top = weft_error_wrap(mid, -EPIPE, "top");
    CHECK_PTR_EQ(weft_error_inner(top), mid);
    CHECK_PTR_EQ(weft_error_inner(mid), low);
    CHECK(weft_error_is(top, -EPIPE) && weft_error_is(top, -EIO) && weft_error_is(top, -ENOENT));
    CHECK(!weft_error_is(top, -EBADF) && !weft_error_is(low, -EIO));
    CHECK_STR_EQ(weft_error_trace_id(top), weft_error_trace_id(low));
    CHECK_PTR_EQ(weft_error_user_message(top), NULL);
    weft_error_set_user_message(low, "sorry %d", 1);
    CHECK_STR_EQ(weft_error_user_message(top), "sorry 1");
    weft_error_set_user_message(mid, "sorry %s", "2");
    CHECK_STR_EQ(weft_error_user_message(top), "sorry 2");
    weft_error_set_user_message(mid, "sorry 3");
    CHECK_STR_EQ(weft_error_user_message(top), "sorry 3");
    CHECK_STR_EQ(weft_error_user_message(low), "sorry 1");
    weft_error_unref(low);
    weft_error_unref(top);
    weft_error *as_new = weft_error_wrap(NULL, -EIO, "alone");
    CHECK_PTR_EQ(weft_error_inner(as_new), NULL);
    CHECK_EQ(strlen(weft_error_trace_id(as_new)), 32);
    weft_error_unref(as_new);
}

TEST(trace_id_is_the_contexts)
{
    /* Goal: weft_error_new_ctx takes the context's trace id, which the error keeps; without one it makes one. */
    weft_ctx *ctx =
        weft_ctx_with_trace(NULL, "a trace id of whatever length you like, as long as a line");
    weft_error *e = weft_error_new_ctx(ctx, -EIO, "x");
    weft_error *outer = weft_error_wrap(e, -EIO, "y");
    weft_ctx_unref(ctx);
    CHECK_STR_EQ(weft_error_trace_id(outer),
                 "a trace id of whatever length you like, as long as a line");
    weft_error_unref(outer);
    e = weft_error_new_ctx(NULL, -EIO, "x");
    CHECK_EQ(strlen(weft_error_trace_id(e)), 32);
    weft_error_unref(e);
}

enum { LONG = 100000, DEEP = 20000 };

TEST(any_length_any_depth)
{
    /* Goal: messages aren't cut; a long chain is freed without recursion. */
    char *text = malloc(LONG + 1);
    memset(text, 'm', LONG);
    text[LONG] = '\0';
    weft_error *e = weft_error_new(-EIO, "%s", text);
    CHECK_EQ(strlen(weft_error_message(e)), LONG);
    weft_error_set_user_message(e, "%s%s", text, text);
    CHECK_EQ(strlen(weft_error_user_message(e)), 2 * LONG);
    for (int i = 0; i < test_scale(DEEP); i++)
        e = weft_error_wrap(e, i, "%d", i);
    CHECK(weft_error_is(e, -EIO));
    CHECK_EQ(strlen(weft_error_user_message(e)), 2 * LONG);
    weft_error_unref(e);
    free(text);
}

TEST(null_is_no_error)
{
    weft_error_unref(NULL);
    weft_error_set_user_message(NULL, "x");
    CHECK_PTR_EQ(weft_error_ref(NULL), NULL);
    CHECK_EQ(weft_error_code(NULL), 0);
    CHECK_PTR_EQ(weft_error_message(NULL), NULL);
    CHECK_PTR_EQ(weft_error_user_message(NULL), NULL);
    CHECK_PTR_EQ(weft_error_trace_id(NULL), NULL);
    CHECK_PTR_EQ(weft_error_host(NULL), NULL);
    CHECK_PTR_EQ(weft_error_stack(NULL), NULL);
    CHECK_EQ(weft_error_unix_ns(NULL), 0);
    CHECK_EQ(weft_error_goroutine(NULL), 0);
    CHECK_PTR_EQ(weft_error_inner(NULL), NULL);
    CHECK(!weft_error_is(NULL, 0));
}

TEST(plain_errors_are_always_there)
{
    /* Goal: the causes that cost no memory take references and wraps like others. */
    weft_ctx *ctx = weft_ctx_with_cancel(NULL);
    weft_ctx_cancel(ctx);
    weft_error *plain = weft_ctx_cause(ctx);
    for (int i = 0; i < 3; i++)
        weft_error_unref(plain);
    CHECK_PTR_EQ(weft_error_ref(plain), plain);
    weft_error_set_user_message(plain, "not for all");
    CHECK_PTR_EQ(weft_error_user_message(plain), NULL);
    CHECK_STR_EQ(weft_error_stack(plain), "");
    weft_error *e = weft_error_wrap(plain, -EIO, "outer");
    CHECK(weft_error_is(e, -ECANCELED));
    CHECK_EQ(strlen(weft_error_trace_id(e)), 32); /* one of its own, as that has none */
    weft_error *outer = weft_error_wrap(weft_error_ref(e), -EPIPE, "outermost");
    CHECK_STR_EQ(weft_error_trace_id(outer), weft_error_trace_id(e));
    weft_error_unref(outer);
    weft_error_unref(e);
    weft_ctx_unref(ctx);
    CHECK_STR_EQ(weft_error_message(plain), "context canceled");
}

TEST(print_is_for_the_operator)
{
    /* Goal: everything of the whole chain in lines; a newline in a text can't pass for one of them; an error of the stream is
     * reported. */
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    weft_error *low = made_by_me(-ENOENT);
    weft_error *e = weft_error_wrap(low, -EIO, "can't\ncaused by: nobody");
    weft_error_set_user_message(e, "Try again");
    CHECK_EQ(weft_error_print(e, f), 0);
    fclose(f);
    CHECK(strncmp(text, "can't\n\tcaused by: nobody (code -5)\n", 35) == 0);
    CHECK_STR_HAS(text, "\n  for the user: Try again\n");
    CHECK_STR_HAS(text, "\ncaused by: item 3 of list (code -2)\n");
    CHECK_STR_HAS(text, "Z on ");
    CHECK_STR_HAS(text, weft_error_trace_id(e));
    CHECK_STR_HAS(text, "made_by_me");
    free(text);
    f = fopen("/dev/full", "w");
    if (f) {
        CHECK_EQ(weft_error_print(e, f), -ENOSPC);
        CHECK_EQ(setvbuf(f, NULL, _IONBF, 0), 0);
        CHECK_EQ(weft_error_print(e, f), -ENOSPC);
        fclose(f);
    }
    weft_error_unref(e);
}

static ssize_t count_write(void *writes, const char *text, size_t bytes)
{
    (void)text;
    ++*(int *)writes;
    return (ssize_t)bytes;
}

TEST(print_writes_once)
{
    /* Goal: what several print to a stream without a buffer, such as stderr, stays together: one write for each. */
    int writes = 0;
    FILE *f = fopencookie(&writes, "w", (cookie_io_functions_t){.write = count_write});
    REQUIRE(f && setvbuf(f, NULL, _IONBF, 0) == 0);
    weft_error *e = weft_error_wrap(made_by_me(-ENOENT), -EIO, "two\nlines");
    CHECK_EQ(weft_error_print(e, f), 0);
    CHECK_EQ(writes, 1);
    CHECK_EQ(weft_error_print(NULL, f), 0);
    CHECK_EQ(writes, 1);
    fclose(f);
    weft_error_unref(e);
}

static weft_error *shared;

static void reads(void *done)
{
    for (int i = 0; i < 20; i++) {
        weft_error *e = weft_error_ref(shared);
        CHECK_STR_HAS(weft_error_stack(e), "made_by_me");
        char *json = weft_error_json(e);
        CHECK_STR_HAS(json, "made_by_me");
        free(json);
        weft_yield();
        weft_error_unref(e);
    }
    weft_waitgroup_done(done);
}

static void share(void *arg)
{
    weft_waitgroup done = {0};
    (void)arg;
    shared = made_by_me(1);
    weft_waitgroup_add(&done, 4);
    for (int i = 0; i < 4; i++)
        REQUIRE(weft_go(reads, &done) == 0);
    weft_error_unref(weft_error_ref(shared));
    weft_waitgroup_wait(&done);
    weft_error_unref(shared);
}

TEST(many_ask_at_once)
{
    /* Goal: the stack is looked up by one of several that ask at once, and all have the same text. */
    CHECK_EQ(test_run(share, NULL), 0);
}
