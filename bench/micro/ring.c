/* SPDX-License-Identifier: Apache-2.0
 * threadring_park: goroutines in a ring hand a token on, one park and one unpark a hop and nothing
 * else. What the bare protocol costs; Go's nearest is threadring_503, over unbuffered channels. */
#include "bench/harness.h"

#include <stdlib.h>

enum { MEMBERS = 503 };

struct member {
    _Alignas(64) weft_priv_gate gate;
    struct member *next;
    struct ring *ring;
};

/* Owned by whoever holds the token, the goroutine that was let through last: plain accesses. */
struct ring {
    struct member *members;
    struct call *call;
    int64_t hops_left;
    int winner;
    bool over;
    weft_waitgroup won;
    weft_waitgroup ended;
};

static void member_main(void *arg)
{
    struct member *self = arg;
    struct ring *ring = self->ring;
    for (;;) {
        weft_priv_gate_wait(&self->gate);
        if (ring->over) {
            return;
        }
        if (ring->hops_left == 0) {
            ring->winner = (int)(self - ring->members);
            weft_waitgroup_done(&ring->won);
            continue;
        }
        if (ring->hops_left % MARK_EVERY == 0) {
            mark_proc(ring->call);
        }
        ring->hops_left--;
        weft_priv_gate_open(&self->next->gate);
    }
}

static void ring_body(struct call *call)
{
    struct ring ring = {.call = call, .hops_left = call->iterations, .winner = -1};
    ring.members = aligned_alloc(64, MEMBERS * sizeof(struct member));
    if (!ring.members) {
        bench_fail(call->bench, "out of memory");
        return;
    }
    weft_waitgroup_add(&ring.won, 1);
    for (int i = 0; i < MEMBERS; i++) {
        ring.members[i] = (struct member){.next = &ring.members[(i + 1) % MEMBERS], .ring = &ring};
        if (weft_waitgroup_go(&ring.ended, member_main, &ring.members[i])) {
            bench_fail(call->bench, "weft_waitgroup_go failed");
            return; /* the run ends with those that did start: leak what they may look at */
        }
    }

    int64_t begin = weft_now();
    weft_priv_gate_open(&ring.members[0].gate);
    weft_waitgroup_wait(&ring.won);
    call->elapsed_ns = weft_now() - begin;

    if (ring.winner != call->iterations % MEMBERS) {
        bench_fail(call->bench, "the token stopped at %d, not %d", ring.winner,
                   (int)(call->iterations % MEMBERS));
    }
    ring.over = true;
    for (int i = 0; i < MEMBERS; i++) {
        weft_priv_gate_open(&ring.members[i].gate);
    }
    weft_waitgroup_wait(&ring.ended);
    free(ring.members);
}
ROW_IN_WEFT(ring)

void add_ring_rows(void)
{
    static const struct bench_row row = {
        .name = "threadring_park", .body = ring_row, .warmup = 100 * MEMBERS};
    bench_add(&row);
}
