/* SPDX-License-Identifier: Apache-2.0
 * chan_reply.c - a reply channel: the receiver has its element and lets go of the channel while the send
 * returns and the sender, who has a reference of its own, lets go of it, too. It is freed once, when
 * neither touches it any more.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a reference is dropped without a release | runtime/chan/chan.c | /^void chan_drop/,/^}/s/atomic_sub_acq_rel(&ch->refs, 1)/atomic_fetch_sub_explicit(\&ch->refs, 1, memory_order_relaxed)/
 * bug: the receiver frees what the sender still refers to | runtime/chan/chan.c | /^void chan_drop/,/^}/s/== 1)/>= 1)/
 * bug: a reference is dropped in two steps | runtime/chan/chan.c | /^void chan_drop/,/^}/s/atomic_sub_acq_rel(&ch->refs, 1) == 1/(atomic_store_release(\&ch->refs, atomic_load_acquire(\&ch->refs) - 1), atomic_load_acquire(\&ch->refs) == 0)/ */
#include "chan.h"

static struct weft_chan *ch;

static void *sender(void *arg)
{
    uint64_t i = element(1);
    m_is(0);
    weft_chan_send(ch, &i);
    weft_chan_unref(ch);
    return arg;
}

static void *receiver(void *arg)
{
    uint64_t i;
    m_is(1);
    REQUIRE(weft_chan_recv(ch, &i));
    arrived(i);
    weft_chan_unref(ch);
    return arg;
}

int main(void)
{
    static struct atomic_pair cells[2];
    ms_init();
    ch = alloc_aligned(CACHE_LINE, sizeof *ch);
    chan_init(ch, cells, 1);
    weft_chan_ref(ch);
    pthread_t a = go(sender, NULL), b = go(receiver, NULL);
    join(a);
    join(b);
    return 0;
}
