/* SPDX-License-Identifier: Apache-2.0
 * selecting.h - selects, and operations with a deadline, over chan.h and the one timer of deadline.h.
 *
 * The bound: a select may be marked again and again; drivers give an execution up at the first or second
 * time, by an edit. */
#ifndef WEFT_TESTS_GENMC_SELECTING_H
#define WEFT_TESTS_GENMC_SELECTING_H

#include "chan.h"
#include "deadline.h"

#include "runtime/chan/select.c"
#include "runtime/chan/select_own.c"
#include "runtime/chan/select_wait.c"

_Noreturn void sched_fatal(const char *text)
{
    (void)text;
    REQUIRE(false);
    __builtin_unreachable();
}

/* Of several that are ready the first. */
uint64_t os_random(void)
{
    return 1;
}

#define SEND(channel, p) {.op = WEFT_OP_SEND, .chan = (channel), .elem = (p)}
#define RECV(channel, p) {.op = WEFT_OP_RECV, .chan = (channel), .elem = (p)}

#endif
