/* SPDX-License-Identifier: Apache-2.0
 * chan_default.c - a value moves from one channel to another, back and forth, and is in one of the two, or in both, at
 * every instant: a select that would receive from either doesn't run its default.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select_wait.c | s/back_off(attempts);/if (attempts) give_up();/
 * bug: the states are not looked at again | runtime/chan/select.c | s/} else if (likely(none_has_moved(s))) {/} else {/
 * bug: of a state only the number of elements is compared | runtime/chan/select.c | s/if (select_has_channel(c) && atomic_load_acquire(&c->chan->state) != c->priv\[PRIV_STATE\])/if (select_has_channel(c) \&\& ((atomic_load_acquire(\&c->chan->state) ^ c->priv[PRIV_STATE]) \& ~POSITION_MASK))/
 * bug: the first look at a state sees nothing of what came before it | runtime/chan/select.c | /^static inline uint32_t look/,/^}/s/atomic_load_acquire/atomic_load_relaxed/ */
#include "selecting.h"

static struct weft_chan a, b;

static void move(struct weft_chan *from, struct weft_chan *to)
{
    uint64_t i = 1;
    REQUIRE(weft_chan_try_send(to, &i) == 0);
    weft_chan_try_recv(from, &i); /* or the select has it */
}

static void *mover(void *arg)
{
    m_is(0);
    move(&a, &b);
    move(&b, &a);
    move(&a, &b);
    return arg;
}

static void *selects(void *arg)
{
    uint64_t got = 0;
    weft_case cases[] = {RECV(&b, &got), RECV(&a, &got), {.op = WEFT_OP_DEFAULT}};
    m_is(1);
    REQUIRE(weft_select(cases, 3) != 2);
    return arg;
}

int main(void)
{
    static struct atomic_pair cells[2][2];
    uint64_t i = 1;
    ms_init();
    chan_init(&a, cells[0], 1);
    chan_init(&b, cells[1], 1);
    REQUIRE(weft_chan_try_send(&a, &i) == 0);
    pthread_t x = go(mover, NULL), y = go(selects, NULL);
    join(x);
    join(y);
    return 0;
}
