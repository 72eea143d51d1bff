/* SPDX-License-Identifier: Apache-2.0
 * 4_context.c - contexts (chapter 4 of "Concurrency in Go"): a greeting that allows its locale a second, and a farewell that has no
 * limit, while a locale takes a minute. The greeting gives up; main cancels the rest with that reason, which the farewell
 * finds far down in its calls. And values: what a request carries. (A second is 10 ms here.) */
#include <stdio.h>
#include <weft/weft.h>

/* ---- deadlines and cancelling ---- */

static const char *locale(weft_ctx *ctx)
{
    switch (WEFT_SELECT(WEFT_DONE(ctx), WEFT_AFTER(WEFT_MINUTE))) {
    case 0:
        return NULL; /* the context knows why */
    default:
        return "EN/US";
    }
}

static const char *gen_greeting(weft_ctx *parent, weft_error **error)
{
    weft_ctx *ctx = weft_ctx_with_timeout(parent, WEFT_SECOND / 100);
    const char *found = locale(ctx);
    if (!found)
        *error = weft_error_ref(weft_ctx_cause(ctx));
    weft_ctx_cancel(ctx);
    weft_ctx_unref(ctx);
    return found ? "hello" : NULL;
}

static const char *gen_farewell(weft_ctx *ctx, weft_error **error)
{
    if (locale(ctx))
        return "goodbye";
    *error = weft_error_ref(weft_ctx_cause(ctx));
    return NULL;
}

static weft_waitgroup printed;

static void print_greeting(void *ctx)
{
    weft_error *error = NULL;
    const char *greeting = gen_greeting(ctx, &error);
    if (greeting) {
        printf("%s world!\n", greeting);
    } else {
        printf("cannot print greeting: %s\n", weft_error_message(error));
        weft_ctx_cancel_cause(
            ctx, weft_error_wrap(error, weft_error_code(error), "the greeting failed"));
    }
    weft_waitgroup_done(&printed);
}

static void print_farewell(void *ctx)
{
    weft_error *error = NULL;
    const char *farewell = gen_farewell(ctx, &error);
    if (farewell)
        printf("%s world!\n", farewell);
    else
        printf("cannot print farewell: %s: %s\n", weft_error_message(error),
               weft_error_message(weft_error_inner(error)));
    weft_error_unref(error);
    weft_waitgroup_done(&printed);
}

/* ---- values ---- */

static const char key_user, key_token; /* nobody else can have these addresses */

static void handle_response(weft_ctx *ctx)
{
    printf("handling response for %s (auth: %s, trace: %s)\n",
           (const char *)weft_ctx_value(ctx, &key_user),
           (const char *)weft_ctx_value(ctx, &key_token), weft_ctx_trace(ctx));
}

static void process_request(char *user, char *token)
{
    weft_ctx *trace = weft_ctx_with_trace(NULL, "request-1");
    weft_ctx *with_user = weft_ctx_with_value(trace, &key_user, user);
    weft_ctx *with_token = weft_ctx_with_value(with_user, &key_token, token);
    handle_response(with_token);
    weft_ctx_unref(with_token);
    weft_ctx_unref(with_user);
    weft_ctx_unref(trace);
}

static void main_goroutine(void *arg)
{
    weft_ctx *ctx = weft_ctx_with_cancel(NULL);
    (void)arg;
    weft_waitgroup_add(&printed, 2);
    weft_go(print_greeting, ctx);
    weft_go(print_farewell, ctx);
    weft_waitgroup_wait(&printed);
    weft_ctx_unref(ctx);
    process_request("jane", "abc123");
}

int main(void)
{
    return weft_run(main_goroutine, NULL, NULL);
}
