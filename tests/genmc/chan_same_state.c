/* SPDX-License-Identifier: Apache-2.0
 * chan_same_state.c - the state of a buffered channel comes back: a receiver waits there, is served, waits elsewhere as a
 * select, with the same waiter, and waits there again, while a sender who read the state before takes him now.
 * Each element arrives once, and nobody waits for ever. He waits there from the start (a second receive of the same goroutine takes its
 * frame for freed memory in GenMC 0.11.0).
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | s/: select_wait(s, out)/: (give_up(), false)/
 * bug: what its waiter's word was matters in a buffered channel, too | runtime/chan/wait.c | s/ || ch->form != FORM_SYNC//
 * bug: a waiter is taken without winning it | runtime/chan/wait.c | /^static bool take_from_word/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#define SEND_BUFFERED send_slow
#include "same_state.h"
