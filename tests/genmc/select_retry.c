/* SPDX-License-Identifier: Apache-2.0
 * select_retry.c - two selects meet that wait with their goroutines' own waiters at first: each would send what the other
 * would receive, in two channels. One that finds that somebody has come while it registered ends its wait, withdraws, and
 * goes round again with records. One element goes one way, and none goes the other; neither select waits for ever.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | /bool run(struct/,/^}/s/for (;;) {/for (int rounds = 0;; rounds++) { if (rounds > 1) give_up();/
 * edit: runtime/chan/select_wait.c | s/back_off(attempts);/give_up();/
 * bug: it goes round again and a channel still names its own waiter | runtime/chan/select_own.c | /s->not_own = true;/,/^    }/s/own_withdraw(&own, registered, w);//
 * bug: it goes round again though somebody has claimed it | runtime/chan/select_own.c | s/unlikely(!all) && chan_wait_end(w, token)/!all \&\& (chan_wait_end(w, token), true)/ */
#include "meeting.h"
