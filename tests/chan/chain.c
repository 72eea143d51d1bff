/* SPDX-License-Identifier: Apache-2.0
 * chain.c - goroutines in a long row, each of which takes from its right neighbour and gives to its left one. */
#include "../test.h"

enum { ROUNDS = 3 };

static int64_t passed; /* plain: each link adds to it, after its right neighbour */

struct link {
    weft_chan *left, *right; /* a reference to each is its own */
};

/* To the left, one more than came from the right. */
static void pass_on(void *arg)
{
    struct link *link = arg;
    int64_t n;
    while (weft_chan_recv(link->right, &n)) {
        n++;
        passed++;
        weft_chan_send(link->left, &n);
    }
    passed++;
    weft_chan_close(link->left);
    weft_chan_unref(link->left);
    weft_chan_unref(link->right);
}

static weft_chan *new_chan(void)
{
    weft_chan *ch = weft_chan_new(sizeof(int64_t), 0);
    REQUIRE(ch);
    return ch;
}

/* Its left end; *right is the other. */
static weft_chan *new_chain(int links, weft_chan **right)
{
    weft_chan *left = new_chan(), *end = weft_chan_ref(left);
    for (int i = 0; i < links; i++) {
        *right = new_chan();
        CHECK_EQ(WEFT_GO(pass_on, struct link, end, weft_chan_ref(*right)), 0);
        end = *right;
    }
    return left;
}

static void long_chain(void *arg)
{
    int links = test_scale(10000);
    passed = 0;
    uint64_t threads = 0;
    (void)arg;
    weft_chan *right = NULL, *left = new_chain(links, &right);
    test_until_parked((uint64_t)links);
    long rss = test_rss_kib();
    for (int64_t round = 0; round < ROUNDS; round++) {
        int64_t n = round, got;
        weft_chan_send(right, &n);
        CHECK(weft_chan_recv(left, &got));
        CHECK_EQ(got, round + links);
        threads = test_stats().threads > threads ? test_stats().threads : threads;
    }
    CHECK_LE(threads, test_stats().procs + 1);
    if (test_rss_tells())
        CHECK_LT(test_rss_kib() - rss, 4096);
    weft_chan_close(right);
    CHECK(!weft_chan_recv(left, NULL));
    CHECK_EQ(passed, (ROUNDS + 1) * links);
    weft_chan_unref(right);
    weft_chan_unref(left);
    test_until_goroutines(1);
}

TEST(a_chain_of_ten_thousand)
{
    /* Goal: what goes through a row of 10 000 goroutines on unbuffered channels comes out at its end, as does the close; stacks
     * and threads are no more than there were (CH-17). Who starts, sends or closes comes before who is started or receives: a plain
     * counter is enough (HB-01, HB-02). */
    CHECK_EQ(test_run_procs(1, long_chain, NULL), 0);
    CHECK_EQ(test_run(long_chain, NULL), 0);
}
