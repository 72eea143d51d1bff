/* SPDX-License-Identifier: Apache-2.0
 * bias.c - who gets a column of the table of bias.h, and what is in it when he gives it back. */
#include "runtime/sync/bias.h"

#include "runtime/sync/queue.h"

#define TICKET_STATE UINT64_C(0x30)
#define TICKET_FREE UINT64_C(0x00)
#define TICKET_USED UINT64_C(0x10)
#define TICKET_SUSPENDED UINT64_C(0x20)
#define TICKET_DRAINING UINT64_C(0x30)
#define TICKET_NEXT (2 * BIAS_NO_TICKET) /* above: the serial number */

_Static_assert(BIAS_COLUMNS <= sizeof(((struct weft_row_ *)NULL)->counts_) / sizeof(uint32_t),
               "a row has room for them");

SANITIZE_OWNER_DATA_BEGIN

/* ---- rows ---- */

static _Atomic(uint32_t) *row_count(uint32_t row, uint32_t column)
{
    return (_Atomic(uint32_t) *)&sched_rows[row].counts_[column];
}

static _Atomic(uint32_t) *row_base(uint32_t row, uint32_t column)
{
    return (_Atomic(uint32_t) *)&sched_rows[row].bases_[column];
}

/* The column's ticket has changed: from here on no row's holder goes by what it was. How many rows there are. */
static uint32_t rows_settle(uint32_t column)
{
    bool fenced = os_fence_heavy(); /* [BIAS-2] */
    if (unlikely(!fenced))
        sched_fatal("sync: membarrier(2) is refused, which the readers of a RWMutex rely on");
    uint32_t n = atomic_load_acquire(&sched_numbers); /* pairs with p_give_number() */
    for (uint32_t i = 0; i < n; i++)
        for (unsigned looks = 0;
             atomic_load_acquire(row_count(i, column)) & 1;) /* pairs with weft_rwmutex_count_() */
            queue_give_way(&looks);
    return n;
}

/* Of one that has settled: how often its holder has counted in more than out. He may be at it again, in vain. */
static uint32_t row_sum(uint32_t row, uint32_t column)
{
    uint32_t n = atomic_load_acquire(row_count(row, column)); /* likewise */
    return (n - atomic_load_relaxed(row_base(row, column))) / 2;
}

/* ---- tickets ---- */

static inline uint64_t with_state(uint64_t ticket, uint64_t state)
{
    return (ticket & ~TICKET_STATE) | state;
}

/* ---- taking ---- */

/* What the column's next ticket is, in use. */
static uint64_t ticket_after(uint64_t ticket, uint32_t column)
{
    return (ticket & ~(TICKET_NEXT - 1)) + (TICKET_NEXT | TICKET_USED | column);
}

static uint64_t take_free(uint32_t column)
{
    uint64_t was = atomic_load_relaxed(&sched_tickets[column]), mine = ticket_after(was, column);
    bool free = (was & TICKET_STATE) == TICKET_FREE;
    return free && atomic_cas_acq_rel(&sched_tickets[column], &was, mine) ? mine : 0;
}

static bool column_is_empty(uint32_t column)
{
    uint32_t rows = rows_settle(column);
    for (uint32_t i = 0; i < rows; i++)
        if (row_sum(i, column))
            return false;
    return true;
}

/* One whose object is gone, or has no readers just now. */
static uint64_t take_used(uint32_t column)
{
    uint64_t was = atomic_load_relaxed(&sched_tickets[column]);
    uint64_t suspended = with_state(was, TICKET_SUSPENDED), mine = ticket_after(was, column);
    if ((was & TICKET_STATE) != TICKET_USED ||
        !atomic_cas_acq_rel(&sched_tickets[column], &was, suspended))
        return 0;
    bool empty = column_is_empty(column);
    bool taken = atomic_cas_acq_rel(&sched_tickets[column], &suspended, empty ? mine : was);
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
    uint64_t now = atomic_load_relaxed(&sched_tickets[ticket & BIAS_COLUMN]);
    return now != ticket && now != with_state(ticket, TICKET_SUSPENDED);
}

/* All that are counted in the column, which is nobody's now. */
static uint64_t drain(uint32_t column)
{
    uint64_t sum = 0;
    uint32_t rows = rows_settle(column);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t n = row_sum(i, column);
        atomic_store_relaxed(row_base(i, column), atomic_load_relaxed(row_base(i, column)) + 2 * n);
        sum += n;
    }
    return sum;
}

uint64_t bias_give_back(uint64_t ticket)
{
    uint32_t column = ticket & BIAS_COLUMN;
    /* Acquire pairs with take_used(): who took it from us has seen all leave, and our caller goes by that. */
    uint64_t now = atomic_load_acquire(&sched_tickets[column]);
    do {
        if (now != ticket && now != with_state(ticket, TICKET_SUSPENDED))
            return 0; /* lost; then none were counted */
    } while (
        !atomic_cas_acq_rel(&sched_tickets[column], &now, with_state(ticket, TICKET_DRAINING)));
    uint64_t sum = drain(column);
    atomic_store_release(&sched_tickets[column], with_state(ticket, TICKET_FREE));
    return sum;
}

SANITIZE_OWNER_DATA_END
