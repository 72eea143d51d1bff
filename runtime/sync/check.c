/* SPDX-License-Identifier: Apache-2.0
 * check.c - lock diagnostics, in the test build: orders that may deadlock, and locks that are held for long.
 *
 *   WEFT_LOCKCHECK=1       tell of locks that are taken in an order that may deadlock, whether or not it ever does;
 *   WEFT_LOCKCHECK=fatal   and end the process, with status 2
 *   WEFT_LOCK_HOLD_MS=N    tell of a lock that is held for N ms or more: when it is given back, and once before that
 *                          to each who asks for it then
 *
 * Order (after Goodlock: Havelund, SPIN 2000): a graph of locks, with an edge from A to B when somebody asked for B while he
 * had A. An edge that closes a cycle is told, with where each lock of it was taken and the next asked for. Who tries and
 * doesn't wait makes no edge, but has what he got. A lock that its holder asks for again is no edge: another may give it
 * back. Locks are told apart by their addresses, and nobody says when one is gone. Another in its place begins anew if it
 * is free when the record has the first one locked; and all is forgotten when a run ends or begins. Otherwise two lives of a place
 * may be told as one lock.
 *
 * Of a mutex, and of reading, it hears only from what is compiled with weft/check_locks.h, by entry points of its own (check_locks.c):
 * the slow paths of all others tell nothing, as the unlock that follows may be inline, and the hold would stay for good. For the same
 * reason a cond notes its mutex again only for one who was on record with it. A lock is given back by whoever likes; if he
 * hasn't got it, the hold of another goes.
 *
 * Under one lock, which is never held over anything that waits, calls weft or is a point of delay: the thread that has it is
 * never one that a test has stopped. */
#include "runtime/sync/check.h"

#include <stdlib.h>
#include <string.h>
#include <weft/go.h>

#include "arch/os.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/check_tell.h"

#define NS_PER_MS 1000000
#define BUCKETS 1024u
#define MEMORY_BYTES                                                                               \
    ((size_t)32 << 20) /* of address space; when it is used up nothing new is noted */

struct hold {
    struct hold *of_lock, *of_owner; /* next in its buckets */
    struct lock_hold is;
    int64_t since;
    bool told;
};

struct edge {
    struct edge *next; /* from the same lock */
    struct node *from, *to;
    struct lock_step is;
};

struct node {
    struct node *next; /* in its bucket */
    const void *lock;  /* NULL: that is no more, and the node in no bucket */
    struct edge *edges;
    uint64_t search; /* that came here last; it came by this edge */
    struct edge *by;
    struct node *behind; /* in the search's queue */
};

struct memory {
    struct hold *of_lock[BUCKETS], *of_owner[BUCKETS], *free;
    struct node *nodes[BUCKETS];
    uint64_t searches;
    size_t used;
    _Alignas(16) char rest[];
};

static struct {
    os_lock lock;
    bool known, order, fatal; /* the settings: read by whoever comes first */
    int64_t hold_ns;          /* 0: off */
    uint64_t run;             /* that memory is of */
    struct memory *memory;
} check = {.lock = OS_LOCK_INIT};

static void read_settings(void)
{
    const char *order = getenv("WEFT_LOCKCHECK"), *ms = getenv("WEFT_LOCK_HOLD_MS");
    check.known = true;
    check.order = order && *order && strcmp(order, "0") != 0;
    check.fatal = check.order && strcmp(order, "fatal") == 0;
    check.hold_ns = ms ? strtol(ms, NULL, 10) * NS_PER_MS : 0;
    if (check.order || check.hold_ns > 0)
        check.memory = os_map(MEMORY_BYTES);
}

static void forget(void)
{
    os_discard(check.memory, MEMORY_BYTES);
}

/* Whether anything is noted at all; then the caller has the lock. Of a run that has just ended nothing is. */
static bool enter(uint64_t run)
{
    os_lock_take(&check.lock);
    if (!check.known)
        read_settings();
    if (check.memory && run > check.run) {
        forget();
        check.run = run;
    }
    if (check.memory && run == check.run)
        return true;
    os_lock_give(&check.lock);
    return false;
}

static void leave(void)
{
    os_lock_give(&check.lock);
}

static void *allocate(size_t bytes)
{
    struct memory *m = check.memory;
    if (sizeof *m + m->used + bytes > MEMORY_BYTES)
        return NULL;
    void *p = m->rest + m->used;
    m->used += (bytes + 15) & ~(size_t)15;
    return p;
}

static unsigned bucket(uint64_t key)
{
    return (unsigned)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % BUCKETS;
}

static uint64_t caller(void)
{
    uint64_t id = weft_self();
    return id ? id : (uint64_t)os_thread_id() | THREAD_BIT;
}

/* ---- who has what ---- */

static struct hold *held_by(uint64_t owner)
{
    return check.memory->of_owner[bucket(owner)];
}

/* The hold of a lock that is the owner's, or else another's; NULL: none is known. */
static struct hold *find_hold(const void *lock, uint64_t owner)
{
    struct hold *other = NULL;
    for (struct hold *h = check.memory->of_lock[bucket((uintptr_t)lock)]; h; h = h->of_lock) {
        if (h->is.lock == lock && h->is.owner == owner)
            return h;
        if (h->is.lock == lock)
            other = h;
    }
    return other;
}

static void add_hold(const struct lock_hold *is, int64_t now)
{
    struct memory *m = check.memory;
    struct hold **of_lock = &m->of_lock[bucket((uintptr_t)is->lock)];
    struct hold **of_owner = &m->of_owner[bucket(is->owner)];
    struct hold *h = m->free ? m->free : allocate(sizeof *h);
    if (!h)
        return;
    if (m->free)
        m->free = h->of_lock;
    *h = (struct hold){.of_lock = *of_lock, .of_owner = *of_owner, .is = *is, .since = now};
    *of_lock = *of_owner = h;
}

static void remove_hold(struct hold *h)
{
    struct memory *m = check.memory;
    struct hold **at = &m->of_lock[bucket((uintptr_t)h->is.lock)];
    while (*at != h)
        at = &(*at)->of_lock;
    *at = h->of_lock;
    at = &m->of_owner[bucket(h->is.owner)];
    while (*at != h)
        at = &(*at)->of_owner;
    *at = h->of_owner;
    h->of_lock = m->free;
    m->free = h;
}

/* Whether that is to be told: then *out. */
static void look_at_hold(struct hold *h, int64_t now, uintptr_t site, bool over,
                         struct lock_hold *out)
{
    if (check.hold_ns <= 0 || now - h->since < check.hold_ns || (h->told && !over))
        return;
    h->told = true;
    *out = h->is;
    out->ns = now - h->since;
    out->now = site;
    out->over = over;
}

/* ---- the order ---- */

static struct node *node_of(const void *lock)
{
    struct node **head = &check.memory->nodes[bucket((uintptr_t)lock)], *n = *head;
    while (n && n->lock != lock)
        n = n->next;
    if (n || !(n = allocate(sizeof *n)))
        return n;
    *n = (struct node){.next = *head, .lock = lock};
    *head = n;
    return n;
}

/* By its word, as include/weft/sync.h has it; when somebody has it on record, who goes off the record before he lets go. */
static bool nobody_has(const void *lock, enum lock_kind kind)
{
    uint64_t word = atomic_load_relaxed((const _Atomic(uint64_t) *)lock);
    return kind == LOCK_MUTEX ? !(word & 1) : word == 0;
}

/* Somebody has it on record though nobody has it: it is another lock, in the place of one that has gone; or the record
 * is wrong. */
static void begin_anew(const void *lock)
{
    struct hold *h;
    while ((h = find_hold(lock, 0)))
        remove_hold(h);
    struct node **at = &check.memory->nodes[bucket((uintptr_t)lock)];
    while (*at && (*at)->lock != lock)
        at = &(*at)->next;
    if (*at) {
        (*at)->lock = NULL;
        *at = (*at)->next;
    }
}

/* Breadth first, so that the shortest way is found. Each node that was come to tells by which edge. */
static bool search(struct node *from, struct node *to)
{
    struct node *last = from;
    uint64_t search = ++check.memory->searches;
    from->search = search;
    from->by = NULL;
    from->behind = NULL;
    for (struct node *n = from; n; n = n->behind) {
        if (n == to)
            return true;
        for (struct edge *e = n->edges; e; e = e->next) {
            if (e->to->search == search || !e->to->lock)
                continue;
            e->to->search = search;
            e->to->by = e;
            e->to->behind = NULL;
            last = last->behind = e->to;
        }
    }
    return false;
}

/* The edge e closes it: what search() found leads from its end to its beginning. */
static void copy_cycle(const struct edge *e, struct lock_cycle *out)
{
    struct node *n;
    unsigned i = 1;
    for (n = e->from; n->by; n = n->by->from)
        i++;
    out->n = i;
    for (n = e->from; n->by; n = n->by->from)
        if (--i < CYCLE_MAX)
            out->steps[i] = n->by->is;
    out->steps[0] = e->is;
}

/* The first cycle that it closes is told, and only when it is new. */
static void add_edge(const struct lock_step *is, struct lock_cycle *out)
{
    struct node *from = node_of(is->lock), *to = node_of(is->next);
    if (!from || !to)
        return;
    for (struct edge *e = from->edges; e; e = e->next)
        if (e->to == to)
            return;
    struct edge *e = allocate(sizeof *e);
    if (!e)
        return;
    *e = (struct edge){.next = from->edges, .from = from, .to = to, .is = *is};
    from->edges = e;
    if (!out->n && search(to, from))
        copy_cycle(e, out);
}

/* ---- what happens ---- */

void lock_check_note_ask(const void *lock, enum lock_kind kind, uintptr_t site)
{
    struct lock_cycle cycle = {0};
    struct lock_hold told = {0};
    uint64_t self = caller();
    int64_t now = os_now();
    if (!enter(sched_run_number()))
        return;
    struct hold *other = find_hold(lock, self);
    if (other && nobody_has(lock, kind))
        begin_anew(lock);
    else if (other)
        look_at_hold(other, now, site, false, &told);
    for (struct hold *h = check.order ? held_by(self) : NULL; h; h = h->of_owner) {
        struct lock_step step = {h->is.lock, lock, self, h->is.taken, site, h->is.kind};
        if (h->is.owner == self && h->is.lock != lock)
            add_edge(&step, &cycle);
    }
    leave();
    lock_tell_cycle(&cycle);
    if (cycle.n && check.fatal)
        sched_fatal("WEFT_LOCKCHECK");
    lock_tell_hold(&told);
}

void lock_check_note_hold(const void *lock, enum lock_kind kind, uintptr_t site)
{
    struct lock_hold is = {.lock = lock, .owner = caller(), .taken = site, .kind = kind};
    int64_t now = os_now();
    if (!enter(sched_run_number()))
        return;
    if (kind != LOCK_READ && find_hold(lock, is.owner))
        begin_anew(lock);
    add_hold(&is, now);
    leave();
}

void lock_check_note_end(const void *lock, uintptr_t site)
{
    struct lock_hold told = {0};
    uint64_t self = caller();
    int64_t now = os_now();
    if (!enter(sched_run_number()))
        return;
    struct hold *h = find_hold(lock, self);
    if (h) {
        look_at_hold(h, now, site, true, &told);
        remove_hold(h);
    }
    leave();
    lock_tell_hold(&told);
}

bool lock_check_note_known(const void *lock)
{
    uint64_t self = caller();
    if (!enter(sched_run_number()))
        return false;
    struct hold *h = find_hold(lock, self);
    bool known = h && h->is.owner == self;
    leave();
    return known;
}
