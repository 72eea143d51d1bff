/* SPDX-License-Identifier: Apache-2.0
 * waitgroup_sweep.c - a sweep that takes a dead waiter out of the list, while another waiter comes and
 * the last done takes the list: those who live are woken once each, and see what came before the done; the
 * dead one's record is put back once. The list of a live and a dead waiter is there from the start.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a push that came too late leaves its chain tied to what it saw | runtime/sync/waitgroup.c | s/^            last->next = NULL; .*$//
 * bug: those that a sweep could not push back are forgotten | runtime/sync/waitgroup.c | s/^        serve(first, hold);/        (void)first;/
 * bug: a sweep drops those who live | runtime/sync/waitgroup.c | s/ || waiter_is_dead(w))/ || true)/ */
#include "deadline.h"

#include "runtime/sync/waitgroup.c"

static weft_waitgroup wg;
static int written; /* plain */

static void *sweeper(void *arg)
{
    m_is(0);
    sweep(&wg); /* as who timed out */
    waiter_drop(arg);
    return NULL;
}

static void *worker(void *arg)
{
    m_is(1);
    written = 1;
    weft_waitgroup_done(&wg);
    return arg;
}

static void *comes(void *arg)
{
    m_is(2);
    weft_waitgroup_wait(&wg);
    REQUIRE(written);
    return arg;
}

static void *is_listed(void *arg)
{
    m_is(3);
    waiter_wait(waiter_self(), WAIT_WAITGROUP);
    REQUIRE(written);
    return arg;
}

int main(void)
{
    static struct waiter_record record;
    ms_init();
    record_add(0, &record);
    weft_waitgroup_add(&wg, 1);
    m_is(0);
    struct waiter *dead = waiter_get();
    REQUIRE(waiter_claim(dead, waiter_arm(dead)));
    REQUIRE(push(&wg, dead, dead));
    REQUIRE(push(&wg, &g[3].waiter, &g[3].waiter));
    pthread_t a = go(sweeper, dead), b = go(worker, NULL), c = go(comes, NULL);
    pthread_t d = go(is_listed, NULL);
    join(a);
    join(b);
    join(c);
    join(d);
    REQUIRE(records_cached() == 1);
    return 0;
}
