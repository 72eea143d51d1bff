/* SPDX-License-Identifier: Apache-2.0
 * select_select.c - two selects meet: each would send what the other would receive, in two channels. One element goes
 * one way, and none goes the other; neither select waits for ever.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | s/: select_wait(s, out)/: (give_up(), false)/
 * bug: it withdraws without claiming itself | runtime/chan/select_own.c | s/unlikely(!all) && chan_wait_end(w, token)/!all/
 * bug: it registers in whatever state | runtime/chan/wait.h | /chan_publish_in_word(/,/^}/s/return .*;/return atomic_swap_acq_rel(\&ch->state, chan_word_state(state, w, kind)) != 1;/
 * bug: a claim looks first and takes then | runtime/chan/wait.c | /^bool chan_own_claim/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "meeting.h"
