/* SPDX-License-Identifier: Apache-2.0
 * chan_deadline.c - a cancelled waiter: the deadline of a receive passes just as a sender claims it. The
 * element isn't lost: the timed receive has it, or one that comes after. The records of the timed wait are put
 * back, once each.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select_wait.c | s/back_off(attempts);/give_up();/
 * edit: runtime/chan/select.c | s/m && own_will_do(s, m->g)/false/
 * bug: a waiter in the channel is not claimed | runtime/chan/wait.c | s/if (chan_wait_end(primary, waiter_extra(w)->token))$/if (chan_wait_end(primary, waiter_extra(w)->token) \|\| 1)/
 * bug: a claim looks first and takes then | runtime/chan/wait.c | s/atomic_cas_acq_rel(&primary->word, &word, chan_ended(token))/bug_cas_in_two_steps(\&primary->word, \&word, chan_ended(token))/
 * bug: the deadline wins though the wait is claimed | runtime/chan/select_wait.c | /^static void timed_out/,/^}/s/return;/(void)0;/
 * bug: who withdraws forgets a record that a sender has let go of | runtime/chan/wait.c | /^void chan_withdraw/,/^}/s/waiter_drop(w);/(void)0;/
 * bug: who withdraws takes the word without winning it | runtime/chan/wait.c | /^bool chan_withdraw_from_word_slow/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "selecting.h"

static struct weft_chan *ch;

static void *receives_until(void *arg)
{
    uint64_t i;
    m_is(1);
    int rc = weft_chan_recv_until(ch, &i, DEADLINE);
    REQUIRE(rc == 0 || rc == -ETIMEDOUT);
    if (rc == 0 || weft_chan_recv(ch, &i))
        arrived(i);
    return arg;
}

static void *sender(void *arg)
{
    uint64_t i = element(1);
    m_is(2);
    weft_chan_send(ch, &i);
    return arg;
}

int main(void)
{
    static struct waiter_record records[3];
    ms_init();
    for (int i = 0; i < 3; i++)
        record_add(1, &records[i]);
    ch = chan_of_words(0);
    pthread_t a = go(timer, NULL), b = go(receives_until, NULL), c = go(sender, NULL);
    join(a);
    join(b);
    join(c);
    REQUIRE(has_arrived(1));
    REQUIRE(records_cached() == 3);
    return 0;
}
