/* SPDX-License-Identifier: Apache-2.0
 * chan_refill.c - the refill of a full buffer: a sender waits, two receivers come, one of whom moves the waiting
 * element into the buffer as he takes the oldest; another sender, who doesn't wait, may get the room that
 * arises. Each element arrives once, and nobody waits for ever.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a guest whose element is in the buffer is told to try again | runtime/chan/try.c | s/return guest_leaves(ch, g, OUTCOME_DONE);$/return guest_leaves(ch, g, OUTCOME_RETRY);/
 * bug: an element is taken without winning it | runtime/chan/try.c | /^static bool get_from_buffer/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: a sender who waits is taken and not claimed | runtime/chan/wait.c | /^static bool take_from_word/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#define RECEIVE recv_slow
#include "refilling.h"
