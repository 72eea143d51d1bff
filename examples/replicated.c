/* SPDX-License-Identifier: Apache-2.0
 * replicated.c - chapter 5 of "Concurrency in Go": a request goes to ten handlers at once, whose load nobody knows; the
 * first answer counts, and the other handlers are cancelled. */
#include <stdio.h>
#include <weft/weft.h>

enum { HANDLERS = 10 };

struct request {
    _Atomic(int) answered, cancelled;
};

/* How long handler number n is going to take: nobody would want to wait for most of them. */
static int64_t load_of(size_t n)
{
    return n == 7 ? 5 * WEFT_MILLISECOND : (int64_t)(n + 1) * WEFT_MINUTE;
}

static int handle(weft_ctx *ctx, size_t replica, void *out, void *arg)
{
    struct request *request = arg;
    if (WEFT_SELECT(WEFT_DONE(ctx), WEFT_AFTER(load_of(replica))) == 0) {
        request->cancelled++;
        return weft_ctx_err(ctx);
    }
    request->answered++;
    *(size_t *)out = replica;
    return 0;
}

static void ask(void *arg)
{
    struct request request = {0};
    size_t first;
    (void)arg;
    int error = weft_replicate(NULL, HANDLERS, handle, &first, sizeof first, &request);
    if (error)
        printf("no answer: %d\n", error);
    else
        printf("Received an answer from #%zu\n", first);
    printf("%d handlers done\n", request.answered + request.cancelled);
    printf("%d cancelled\n", request.cancelled);
}

int main(void)
{
    return weft_run(ask, NULL, NULL);
}
