/* SPDX-License-Identifier: Apache-2.0
 * select.c - weft_select: one of several sends and receives; what waits is in select_wait.c.
 *
 * The cases are tried once in an order drawn at random, each as a send or receive that doesn't wait (try.c),
 * so the choice is uniform among those that can go ahead, and a select that finds one costs no more than it.
 *
 * The default may run only if at one instant no case could. Each case that can't leaves the state in which it
 * couldn't. When all states still are the same when they are read again, none could at any instant
 * between the two readings; else some operation has gone ahead, and the cases are tried again. A state never
 * comes back while a readiness came and went: the position moves with elements and, on an unbuffered
 * channel, with each waiter who leaves.
 *
 * The order and the states lie in the cases themselves, so a select of any size needs no memory. */
#include "runtime/chan/select.h"

#include <errno.h>
#include <weft/defer.h>
#include <weft/time.h>

#include "arch/os.h"

#define CASES_MAX 65536

SANITIZE_OWNER_DATA_BEGIN

/* ---- the order ---- */

/* xorshift64* (Vigna, 2016), one a thread: a goroutine doesn't leave its thread in here. */
static __attribute__((noinline)) uint64_t random_next(void)
{
    static _Thread_local uint64_t state;
    uint64_t x = state;
    if (unlikely(x == 0))
        x = os_random() | 1;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t random_below(uint32_t n)
{
    return (uint32_t)(((random_next() >> 32) * n) >> 32);
}

/* Insert a case into the order at a random place (Fisher and Yates, inside out). */
static inline void draw(struct select *s, uint32_t index)
{
    size_t n = s->ready_ones++;
    uint32_t at = n ? random_below((uint32_t)n + 1) : 0;
    s->cases[n].priv[PRIV_ORDER] = s->cases[at].priv[PRIV_ORDER];
    s->cases[at].priv[PRIV_ORDER] = index;
}

static int64_t deadline_in(int64_t ns)
{
    int64_t now = os_now();
    return ns < WEFT_FOREVER - now ? now + ns : WEFT_FOREVER;
}

static void survey_after(struct select *s, uint32_t index)
{
    int64_t ns = s->cases[index].ns;
    if (ns <= 0) {
        draw(s, index);
        return;
    }
    int64_t deadline = deadline_in(ns);
    if (s->after_case == NO_CASE || deadline < s->deadline) {
        s->deadline = deadline;
        s->after_case = (int)index;
    }
}

static void survey(struct select *s, size_t n)
{
    s->ready_ones = 0;
    s->deadline = WEFT_FOREVER;
    s->default_case = s->after_case = NO_CASE;
    for (uint32_t i = 0; i < n; i++) {
        weft_case *c = &s->cases[i];
        if (c->op == WEFT_OP_AFTER) {
            survey_after(s, i);
        } else if (c->op != WEFT_OP_DEFAULT) {
            if (c->chan)
                draw(s, i);
        } else if (s->default_case != NO_CASE) {
            weft_panic("select: more than one default");
        } else {
            s->default_case = (int)i;
        }
    }
}

/* ---- without waiting ---- */

static bool try_all(struct select *s, struct selected *out)
{
    for (size_t i = 0; i < s->ready_ones; i++) {
        out->index = (int)select_nth(s, i);
        weft_case *c = &s->cases[out->index];
        out->result = CHAN_DONE;
        if (c->op == WEFT_OP_AFTER)
            return true;
        out->result = select_try(c, NULL, &c->priv[PRIV_STATE]);
        if (out->result != CHAN_BLOCKED)
            return true;
    }
    return false;
}

static bool none_has_moved(const struct select *s)
{
    for (size_t i = 0; s->ready_ones > 1 && i < s->ready_ones; i++) {
        const weft_case *c = &s->cases[select_nth(s, i)];
        if (atomic_load_acquire(&c->chan->state) != c->priv[PRIV_STATE])
            return false;
    }
    return true;
}

static void run(struct select *s, struct selected *out)
{
    do {
        if (try_all(s, out))
            return;
        if (s->default_case != NO_CASE) {
            if (!none_has_moved(s))
                continue;
            out->index = s->default_case;
            out->result = CHAN_DONE;
            return;
        }
    } while (s->default_case != NO_CASE || !select_wait(s, out));
    if (out->index == NO_CASE)
        out->index = s->after_case;
}

static _Noreturn __attribute__((noinline, cold)) void panic_with(const char *text)
{
    weft_panic("%s", text);
}

int weft_select(weft_case *cases, size_t n)
{
    struct select s = {.cases = cases, .reason = WAIT_SELECT};
    struct selected chosen;
    if (n > CASES_MAX)
        panic_with("select: too many cases");
    survey(&s, n);
    if (s.ready_ones == 0 && s.default_case == NO_CASE && s.after_case == NO_CASE)
        chan_block_for_ever(n ? WAIT_SELECT : WAIT_SELECT_NONE);
    run(&s, &chosen);
    const weft_case *c = &cases[chosen.index];
    if (c->op == WEFT_OP_RECV && c->ok)
        *c->ok = chosen.result == CHAN_DONE;
    if (c->op == WEFT_OP_SEND && chosen.result == CHAN_IS_CLOSED)
        panic_with("send on closed channel");
    return chosen.index;
}

int chan_until(struct weft_chan *ch, bool sends, void *elem, int64_t deadline)
{
    if (deadline <= os_now())
        return -ETIMEDOUT;
    if (!ch) {
        weft_sleep_until(deadline);
        return -ETIMEDOUT;
    }
    weft_case c = {.op = sends ? WEFT_OP_SEND : WEFT_OP_RECV, .chan = ch, .elem = elem};
    struct select s = {.cases = &c,
                       .ready_ones = 1,
                       .deadline = deadline,
                       .default_case = NO_CASE,
                       .after_case = NO_CASE,
                       .reason = sends ? WAIT_CHAN_SEND : WAIT_CHAN_RECV};
    struct selected chosen;
    run(&s, &chosen);
    return chosen.index == NO_CASE ? -ETIMEDOUT : chosen.result == CHAN_DONE ? 0 : -EPIPE;
}

SANITIZE_OWNER_DATA_END
