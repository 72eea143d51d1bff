/* SPDX-License-Identifier: Apache-2.0
 * programs_ctx.h - the programs of programs.h, which includes this, that use contexts, groups and errors. */
#ifndef WEFT_TESTS_FAIL_PROGRAMS_CTX_H
#define WEFT_TESTS_FAIL_PROGRAMS_CTX_H

TEST_NOINLINE static int errno_now(void)
{
    return -errno;
}

/* A context, or NULL, which stands for the background then. */
static weft_ctx *made(weft_ctx *ctx)
{
    accepted(ctx ? 0 : errno_now());
    return ctx;
}

static atomic_int hooks_called;

static void count_hook(void *arg)
{
    (void)arg;
    atomic_fetch_add(&hooks_called, 1);
}

/* One that ends, and one below it with everything. */
static void use_contexts(void *arg)
{
    static int key;
    bool on_goroutine = weft_self();
    weft_ctx *root = made(weft_ctx_with_cancel(NULL));
    weft_ctx *timed = on_goroutine ? made(weft_ctx_with_timeout(root, WEFT_HOUR)) : NULL;
    weft_ctx *trace = made(weft_ctx_with_trace(timed ? timed : root, "trace"));
    weft_ctx *value = made(weft_ctx_with_value(trace, &key, &root));
    weft_ctx *low = made(weft_ctx_with_cancel(value));
    weft_ctx_hook *hook = weft_ctx_after_func(low, count_hook, NULL);
    accepted(hook ? 0 : errno_now());
    CHECK_PTR_EQ(weft_ctx_value(low, &key), low && value ? (void *)&root : NULL);
    weft_ctx_cancel_cause(root, weft_error_new_ctx(low, -EIO, "%s", "some reason"));
    if (root && trace && value && low) {
        CHECK_EQ(weft_ctx_err(low), -ECANCELED);
        int cause = weft_error_code(weft_ctx_cause(low));
        CHECK(cause == -EIO || cause == -ENOMEM);
    }
    weft_ctx_hook_stop(hook);
    weft_ctx *all[] = {low, value, trace, timed, root};
    for (int i = 0; i < 5; i++)
        weft_ctx_unref(all[i]);
    if (arg)
        weft_waitgroup_done(arg);
}

static void *use_contexts_on_thread(void *arg)
{
    use_contexts(arg);
    return NULL;
}

static void main_contexts(void *arg)
{
    weft_waitgroup done = {0};
    pthread_t thread;
    (void)arg;
    for (int i = 0; i < 4; i++) {
        weft_waitgroup_add(&done, 1);
        if (!accepted(weft_go(use_contexts, &done)))
            weft_waitgroup_done(&done);
    }
    weft_waitgroup_wait(&done);
    CHECK_EQ(pthread_create(&thread, NULL, use_contexts_on_thread, NULL), 0);
    weft_blocking(join_thread, &thread);
    CHECK_EQ(test_stats().timers, 0);
}

static void main_deadline_of_context(void *arg)
{
    (void)arg;
    weft_ctx *ctx = made(weft_ctx_with_timeout(NULL, WEFT_MILLISECOND));
    weft_ctx_hook *hook = weft_ctx_after_func(ctx, count_hook, NULL);
    accepted(hook ? 0 : errno_now());
    if (ctx)
        CHECK_EQ(WEFT_SELECT(WEFT_DONE(ctx)), 0);
    weft_ctx_hook_stop(hook);
    weft_ctx_unref(ctx);
}

static void main_sem_until_end(void *arg)
{
    static weft_sem sem;
    (void)arg;
    sem = (weft_sem)WEFT_SEM_INIT(1);
    weft_ctx *ctx = made(weft_ctx_with_timeout(NULL, WEFT_MILLISECOND));
    if (!ctx)
        return;
    CHECK_EQ(weft_sem_acquire_ctx(&sem, 1, ctx), weft_ctx_err(ctx));
    int rc = weft_sem_acquire_ctx(&sem, 1, ctx);
    if (rc != -ETIMEDOUT)
        CHECK(!accepted(rc));
    weft_ctx_unref(ctx);
}

static int fail_task(weft_ctx *ctx, void *arg)
{
    (void)ctx;
    weft_yield();
    return (int)(intptr_t)arg;
}

static void main_group(void *arg)
{
    (void)arg;
    weft_group *g = weft_group_new(weft_ctx_background());
    bool failed = false;
    if (!accepted(g ? 0 : errno_now()))
        return;
    weft_group_set_limit(g, 3);
    for (int i = 0; i < 6; i++)
        failed |= accepted(weft_group_go(g, fail_task, (void *)(intptr_t)-EIO));
    CHECK_EQ(weft_group_wait(g), failed ? -EIO : 0);
    weft_group_free(g);
}

static void main_errors(void *arg)
{
    (void)arg;
    weft_error *low = weft_error_new(-EIO, "low %d", 1);
    weft_error *e = weft_error_wrap(low, -EPIPE, "high");
    accepted(weft_error_code(low) == -EIO ? 0 : -ENOMEM);
    accepted(weft_error_code(e) == -EPIPE ? 0 : -ENOMEM);
    weft_error_set_user_message(e, "sorry");
    if (weft_error_user_message(e))
        CHECK_STR_EQ(weft_error_user_message(e), "sorry");
    CHECK(weft_error_stack(e));
    char *json = weft_error_json(e);
    accepted(json ? 0 : errno_now());
    free(json);
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    REQUIRE(f);
    CHECK_EQ(weft_error_print(e, f), 0); /* it needs no memory */
    fclose(f);
    if (weft_error_code(e) == -EPIPE)
        CHECK(strncmp(text, "high (code ", 11) == 0);
    free(text);
    weft_error_unref(e);
}

#endif
