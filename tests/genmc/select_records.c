/* SPDX-License-Identifier: Apache-2.0
 * select_records.c - two selects meet that wait with records: each would send what the other would receive, in two channels. One element goes
 * one way, and none goes the other; neither select waits for ever.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | s/m && own_will_do(s, m->g)/false/
 * edit: runtime/chan/select.c | /bool run(struct/,/^}/s/for (;;) {/for (int rounds = 0;; rounds++) { if (rounds > 2) give_up();/
 * edit: runtime/chan/select_wait.c | s/back_off(attempts);/give_up();/
 * bug: who meets one that is registering wins it | runtime/chan/wait.c | s/(token | CLAIM_REGISTERING)) {/(token | CLAIM_REGISTERING) \&\& false) {} else if (word == (token | CLAIM_REGISTERING)) { return atomic_cas_acq_rel(\&primary->word, \&word, chan_ended(token));/
 * bug: it overlooks that it has been marked | runtime/chan/select_wait.c | s/!atomic_cas_acq_rel(&primary->word, &word, wait->token)/(atomic_swap_acq_rel(\&primary->word, wait->token), false)/ */
#include "meeting.h"
