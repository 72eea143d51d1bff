/* SPDX-License-Identifier: Apache-2.0
 * bias.c - who gets a column of the table of bias.h, and what is in it when he gives it back. */
#include "runtime/sync/bias.h"

#include "runtime/sync/queue.h"

#define TICKET_STATE UINT64_C(0x30)
#define TICKET_FREE UINT64_C(0x00)
#define TICKET_USED UINT64_C(0x10)
#define TICKET_SUSPENDED UINT64_C(0x20)
#define TICKET_DRAINING UINT64_C(0x30)
#define TICKET_NEXT UINT64_C(0x40) /* above: the serial number */

SANITIZE_OWNER_DATA_BEGIN

struct bias_row bias_rows[SCHED_NUMBERS + 1];
_Atomic(uint64_t) bias_tickets[BIAS_COLUMNS];
static _Atomic(uint32_t) rows_listed; /* above it no row was ever used */

void bias_list_here(void)
{
    uint32_t number = sched_p_number(), listed = atomic_load_relaxed(&rows_listed);
    if (number == SCHED_NUMBERS)
        return;
    while (listed <= number && !atomic_cas_acq_rel(&rows_listed, &listed, number + 1))
        ;
    bias_rows[number].listed = true;
}

static inline uint64_t with_state(uint64_t ticket, uint64_t state)
{
    return (ticket & ~TICKET_STATE) | state;
}

/* A ticket has changed: from here on no row's holder goes by what it was. How many rows there are. */
static uint32_t rows_settle(void)
{
    os_fence_heavy(); /* [BIAS-2] */
    uint32_t n = atomic_load_acquire(&rows_listed);
    for (uint32_t i = 0; i < n; i++)
        for (unsigned looks = 0; atomic_load_acquire(&bias_rows[i].busy);)
            queue_give_way(&looks);
    return n;
}

/* ---- taking ---- */

/* What the column's next ticket is, in use. */
static uint64_t ticket_after(uint64_t ticket, uint32_t column)
{
    return (ticket & ~(TICKET_NEXT - 1)) + (TICKET_NEXT | TICKET_USED | column);
}

static uint64_t take_free(uint32_t column)
{
    uint64_t was = atomic_load_relaxed(&bias_tickets[column]), mine = ticket_after(was, column);
    bool free = (was & TICKET_STATE) == TICKET_FREE;
    return free && atomic_cas_acq_rel(&bias_tickets[column], &was, mine) ? mine : 0;
}

static bool column_is_empty(uint32_t column)
{
    uint32_t rows = rows_settle();
    for (uint32_t i = 0; i < rows; i++)
        if (atomic_load_acquire(&bias_rows[i].counts[column]))
            return false;
    return true;
}

/* One whose object is gone, or has no readers just now. */
static uint64_t take_used(uint32_t column)
{
    uint64_t was = atomic_load_relaxed(&bias_tickets[column]);
    uint64_t suspended = with_state(was, TICKET_SUSPENDED), mine = ticket_after(was, column);
    if ((was & TICKET_STATE) != TICKET_USED ||
        !atomic_cas_acq_rel(&bias_tickets[column], &was, suspended))
        return 0;
    bool empty = column_is_empty(column);
    bool taken = atomic_cas_acq_rel(&bias_tickets[column], &suspended, empty ? mine : was);
    return taken && empty ? mine : 0;
}

uint64_t bias_take(void)
{
    static _Atomic(uint32_t) next;
    uint64_t ticket = 0;
    os_fence_prepare();
    for (uint32_t i = 0; i < BIAS_COLUMNS && !ticket; i++)
        ticket = take_free(i);
    return ticket ? ticket : take_used(atomic_add_relaxed(&next, 1) % BIAS_COLUMNS);
}

/* ---- giving back ---- */

bool bias_is_lost(uint64_t ticket)
{
    uint64_t now = atomic_load_relaxed(&bias_tickets[ticket & BIAS_COLUMN]);
    return now != ticket && now != with_state(ticket, TICKET_SUSPENDED);
}

/* All that are counted in the column, which is nobody's now. */
static uint64_t drain(uint32_t column)
{
    uint64_t sum = 0;
    uint32_t rows = rows_settle();
    for (uint32_t i = 0; i < rows; i++) {
        _Atomic(uint32_t) *count = &bias_rows[i].counts[column];
        uint32_t n = atomic_load_acquire(count); /* pairs with bias_count_out() */
        if (n)
            atomic_store_relaxed(count, 0);
        sum += n;
    }
    return sum;
}

uint64_t bias_give_back(uint64_t ticket)
{
    uint32_t column = ticket & BIAS_COLUMN;
    uint64_t now = atomic_load_relaxed(&bias_tickets[column]);
    do {
        if (now != ticket && now != with_state(ticket, TICKET_SUSPENDED))
            return 0; /* lost; then none were counted */
    } while (!atomic_cas_acq_rel(&bias_tickets[column], &now, with_state(ticket, TICKET_DRAINING)));
    uint64_t sum = drain(column);
    atomic_store_release(&bias_tickets[column], with_state(ticket, TICKET_FREE));
    return sum;
}

SANITIZE_OWNER_DATA_END
