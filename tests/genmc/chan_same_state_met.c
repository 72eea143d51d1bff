/* SPDX-License-Identifier: Apache-2.0
 * chan_same_state_met.c - chan_same_state by the short way of who meets a lone receiver.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | s/: select_wait(s, out)/: (give_up(), false)/
 * bug: a waiter is taken without winning it | runtime/chan/meet.h | s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#define SEND_BUFFERED weft_chan_send
#include "same_state.h"
