/* SPDX-License-Identifier: Apache-2.0
 * chan_refill_met.c - chan_refill by the short way of who meets a lone sender.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: the sender is taken out of the word without winning it | runtime/chan/try.c | s/!atomic_cas_acq_rel(&ch->state, &state, full)/!bug_cas_in_two_steps(\&ch->state, \&state, full)/
 * bug: the oldest element is taken without winning it | runtime/chan/try.c | s/!atomic_cas_acq_rel(&ch->state, &full, moved)/!bug_cas_in_two_steps(\&ch->state, \&full, moved)/
 * bug: the tail moves over a cell that has not been filled | runtime/chan/try.c | s/bool filled = ring_put(ch, tail, lo, value, FORM_WORD);/bool filled = true;/
 * bug: the sender is told to try again | runtime/chan/try.c | /^bool meet_sender/,/^}/s/w->unlink = NULL;/w->result = OUTCOME_RETRY;/ */
#define RECEIVE weft_chan_recv
#include "refilling.h"
