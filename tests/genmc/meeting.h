/* SPDX-License-Identifier: Apache-2.0
 * meeting.h - two selects that meet crosswise, the body of select_select and select_records. */
#ifndef WEFT_TESTS_GENMC_MEETING_H
#define WEFT_TESTS_GENMC_MEETING_H

#include "selecting.h"

static struct weft_chan a, b;
static int done[2]; /* the case of each */

static void *sends_a(void *arg)
{
    uint64_t i = element(1), j = 0;
    weft_case cases[] = {SEND(&a, &i), RECV(&b, &j)};
    m_is(1);
    done[0] = weft_select(cases, 2);
    if (done[0] == 1)
        arrived(j);
    return arg;
}

static void *sends_b(void *arg)
{
    uint64_t i = element(2), j = 0;
    weft_case cases[] = {SEND(&b, &i), RECV(&a, &j)};
    m_is(2);
    done[1] = weft_select(cases, 2);
    if (done[1] == 1)
        arrived(j);
    return arg;
}

int main(void)
{
    static struct waiter_record records[10];
    ms_init();
    for (int i = 0; i < 10; i++)
        record_add(1 + i / 5, &records[i]);
    chan_init(&a, NULL, 0);
    chan_init(&b, NULL, 0);
    pthread_t x = go(sends_a, NULL), y = go(sends_b, NULL);
    join(x);
    join(y);
    REQUIRE(done[0] != done[1]);
    REQUIRE(has_arrived(1) == (done[0] == 0) && has_arrived(2) == (done[0] == 1));
    REQUIRE(!((atomic_load_relaxed(&a.state) | atomic_load_relaxed(&b.state)) & CHAN_EITHER));
    REQUIRE(records_cached() == 10);
    return 0;
}

#endif
