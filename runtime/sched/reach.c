/* SPDX-License-Identifier: Apache-2.0
 * reach.c - marking what can be reached, conservatively (after Boehm and Weiser, Software: Practice and Experience 1988).
 *
 * Eight bytes at any address that are the address of a key, or one within it, reach it, whatever they are. The highest 16 bits of them
 * don't count, so a pointer with a tag in these reaches it, too; nor need it be aligned, as in a packed struct. Below 4 GiB, where a
 * program that isn't position-independent has its heap, four bytes do: a channel's cell keeps no more of such a value. The heap's blocks aren't
 * known, so whatever lies in it is reachable. Both make it find less than there is that can't be reached, and never more.
 *
 * Nothing is allocated but one mapping, which is used as far as it is needed. */
#include "runtime/sched/reach.h"

#include <errno.h>
#include <string.h>

#include "arch/assert.h"
#include "arch/memory.h"
#include "arch/os.h"
#include "arch/sanitize.h"

SANITIZE_OWNER_DATA_BEGIN

#define SPARE 4096 /* room for that much more of each */
#define CHUNK_BYTES ((size_t)256 << 10)
#define ADDRESS_MASK ((UINT64_C(1) << 48) - 1)
#define PAGE_BITS 12
#define PAGES (UINT32_C(1) << 16) /* told apart in the filter */

struct node {
    uint32_t areas, edges; /* the first of each; REACH_NONE */
    bool reached;
};

struct range {
    uintptr_t low, high;
};

struct key {
    struct range is;
    uint32_t node; /* of a skip: none */
    bool area;     /* it is one as well */
};

struct area {
    struct range is;
    uint32_t next;
};

struct edge {
    uint32_t to, next;
};

struct reach {
    size_t bytes, room;
    bool full;
    struct node *nodes;
    struct key *keys; /* the first n_sorted of them are */
    struct area *areas;
    struct edge *edges;
    struct key *skips;
    uint32_t *todo; /* reached, and its areas and edges not yet followed */
    size_t n_nodes, n_keys, n_sorted, n_areas, n_edges, n_skips, n_todo;
    struct os_memory memory;
    uint64_t filter[PAGES / 64]; /* in which pages there are keys */
    uintptr_t lowest;            /* none is below */
    char chunk[CHUNK_BYTES + sizeof(uint64_t)];
};

struct reach *reach_begin(size_t nodes)
{
    size_t room = nodes * 8 + SPARE;
    size_t bytes = sizeof(struct reach) +
                   room * (sizeof(struct node) + 2 * sizeof(struct key) + sizeof(struct area) +
                           sizeof(struct edge) + sizeof(uint32_t));
    struct reach *r = os_map(bytes);
    if (!r)
        return NULL;
    if (os_memory_open(&r->memory)) {
        os_unmap(r, bytes);
        return NULL;
    }
    r->bytes = bytes;
    r->room = room;
    r->lowest = UINTPTR_MAX;
    r->keys = (struct key *)(r + 1);
    r->areas = (struct area *)(r->keys + room);
    r->skips = (struct key *)(r->areas + room);
    r->edges = (struct edge *)(r->skips + room);
    r->nodes = (struct node *)(r->edges + room);
    r->todo = (uint32_t *)(r->nodes + room);
    reach_skip(r, r, bytes);
    return r;
}

void reach_end(struct reach *r)
{
    os_memory_close(&r->memory);
    os_unmap(r, r->bytes);
}

/* ---- the graph ---- */

/* The index of a new entry; that of the last one if there is no room. */
static uint32_t add(struct reach *r, size_t *n)
{
    if (*n < r->room)
        return (uint32_t)(*n)++;
    r->full = true;
    return (uint32_t)*n - 1;
}

uint32_t reach_node(struct reach *r)
{
    uint32_t node = add(r, &r->n_nodes);
    r->nodes[node] = (struct node){.areas = REACH_NONE, .edges = REACH_NONE};
    return node;
}

static struct range range(const void *at, size_t bytes)
{
    return (struct range){(uintptr_t)at, (uintptr_t)at + bytes};
}

void reach_skip(struct reach *r, const void *at, size_t bytes)
{
    r->skips[add(r, &r->n_skips)] = (struct key){.is = range(at, bytes)};
}

static void add_key(struct reach *r, uint32_t node, struct range is, bool area)
{
    struct key *key = &r->keys[add(r, &r->n_keys)];
    *key = (struct key){.is = is, .node = node, .area = area};
    if (is.low < r->lowest)
        r->lowest = is.low;
    for (uintptr_t page = key->is.low >> PAGE_BITS; page <= (key->is.high - 1) >> PAGE_BITS; page++)
        r->filter[page % PAGES / 64] |= UINT64_C(1) << page % 64;
}

void reach_key(struct reach *r, uint32_t node, const void *at, size_t bytes)
{
    add_key(r, node, range(at, bytes), false);
}

void reach_key_and_area(struct reach *r, uint32_t node, const void *at, size_t bytes)
{
    add_key(r, node, range(at, bytes), true);
}

void reach_area(struct reach *r, uint32_t node, const void *at, size_t bytes)
{
    uint32_t area = add(r, &r->n_areas);
    r->areas[area] = (struct area){.is = range(at, bytes), .next = r->nodes[node].areas};
    r->nodes[node].areas = area;
    reach_skip(r, at, bytes);
}

void reach_edge(struct reach *r, uint32_t from, uint32_t to)
{
    uint32_t edge = add(r, &r->n_edges);
    r->edges[edge] = (struct edge){.to = to, .next = r->nodes[from].edges};
    r->nodes[from].edges = edge;
}

void reach_root(struct reach *r, uint32_t node)
{
    if (r->nodes[node].reached)
        return;
    r->nodes[node].reached = true;
    r->todo[r->n_todo++] = node; /* each once, so there is room */
}

bool reach_is_reached(struct reach *r, uint32_t node)
{
    return r->nodes[node].reached;
}

/* ---- keys ---- */

static void sift_down(struct key *keys, size_t n, size_t at, struct key k)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && keys[child].is.low < keys[child + 1].is.low)
            child++;
        if (k.is.low >= keys[child].is.low)
            break;
        keys[at] = keys[child];
    }
    keys[at] = k;
}

/* In place: qsort() may leave copies in the heap, where they would be found. */
static void sort(struct key *keys, size_t n)
{
    for (size_t at = n / 2; at > 0; at--)
        sift_down(keys, n, at - 1, keys[at - 1]);
    while (n > 1) {
        struct key last = keys[--n];
        keys[n] = keys[0];
        sift_down(keys, n, 0, last);
    }
}

static void sort_keys(struct reach *r)
{
    sort(r->keys, r->n_keys);
    r->n_sorted = r->n_keys;
}

/* The first key that begins beyond it. */
static size_t first_beyond(const struct reach *r, uintptr_t address)
{
    size_t low = 0, high = r->n_sorted;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->keys[middle].is.low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t reach_node_at(struct reach *r, const void *at)
{
    if (!r->n_sorted)
        sort_keys(r);
    size_t i = first_beyond(r, (uintptr_t)at);
    return i > 0 && (uintptr_t)at < r->keys[i - 1].is.high ? r->keys[i - 1].node : REACH_NONE;
}

/* ---- reading ---- */

typedef void (*found_fn)(uint32_t node, void *arg);

static void mark(uint32_t node, void *arg)
{
    reach_root(arg, node);
}

/* Keys don't overlap, but several may be the same. Nodes of these are reached by their keys alone, all together. */
static void find(struct reach *r, uintptr_t address, found_fn fn, void *arg)
{
    size_t i = first_beyond(r, address);
    if (i == 0 || address >= r->keys[i - 1].is.high)
        return;
    if (fn == mark && r->nodes[r->keys[i - 1].node].reached)
        return;
    for (uintptr_t low = r->keys[i - 1].is.low; i > 0 && r->keys[i - 1].is.low == low; i--)
        fn(r->keys[i - 1].node, arg);
}

static uint64_t word_at(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline void look_for(struct reach *r, uint64_t address, found_fn fn, void *arg)
{
    uint64_t page = address >> PAGE_BITS;
    if (address >= r->lowest && unlikely(r->filter[page % PAGES / 64] >> page % 64 & 1))
        find(r, address, fn, arg);
}

/* The addresses that begin in the eight bytes from `at` on, before `last`. */
static void look_at_eight(struct reach *r, const char *at, const char *last, found_fn fn, void *arg)
{
    for (const char *end = at + sizeof(uint64_t); at < end && at <= last; at++) {
        uint64_t word = word_at(at);
        look_for(r, word & ADDRESS_MASK, fn, arg);
        if (unlikely(r->lowest <= UINT32_MAX))
            look_for(r, (uint32_t)word, fn, arg);
    }
}

/* Much is zero. */
static void look_at(struct reach *r, const char *at, size_t bytes, found_fn fn, void *arg)
{
    if (bytes < sizeof(uint64_t))
        return;
    for (const char *last = at + bytes - sizeof(uint64_t); at <= last; at += sizeof(uint64_t))
        if (at + sizeof(uint64_t) > last || (word_at(at) | word_at(at + sizeof(uint64_t))))
            look_at_eight(r, at, last, fn, arg);
}

/* 0 or -EIO: some of it can't be read; but others may be able to, as where it is mapped elsewhere, too. */
static int read_range(struct reach *r, struct range is, found_fn fn, void *arg)
{
    while (is.low < is.high) {
        size_t n = is.high - is.low < sizeof r->chunk ? is.high - is.low : sizeof r->chunk;
        size_t got = os_memory_read(&r->memory, r->chunk, is.low, n);
        look_at(r, r->chunk, got, fn, arg);
        if (got < n)
            return -EIO;
        if (got < sizeof r->chunk)
            break;
        is.low += CHUNK_BYTES; /* a pointer may lie across the end of it */
    }
    return 0;
}

static void read_areas(struct reach *r, uint32_t node, found_fn fn, void *arg)
{
    for (uint32_t a = r->nodes[node].areas; a != REACH_NONE; a = r->areas[a].next) {
        struct range is = r->areas[a].is;
        look_at(r, (const char *)is.low, is.high - is.low, fn, arg);
    }
}

static void follow(struct reach *r)
{
    while (r->n_todo > 0) {
        uint32_t node = r->todo[--r->n_todo];
        for (uint32_t e = r->nodes[node].edges; e != REACH_NONE; e = r->edges[e].next)
            reach_root(r, r->edges[e].to);
        read_areas(r, node, mark, r);
    }
}

struct leading {
    struct reach *r;
    found_fn fn;
    void *arg;
};

static void lead_on(uint32_t node, void *arg)
{
    const struct leading *l = arg;
    for (uint32_t e = l->r->nodes[node].edges; e != REACH_NONE; e = l->r->edges[e].next)
        l->fn(l->r->edges[e].to, l->arg);
}

void reach_each_by(struct reach *r, uint32_t node, void (*fn)(uint32_t led_to, void *arg),
                   void *arg)
{
    read_areas(r, node, lead_on, &(struct leading){r, fn, arg});
}

/* ---- all memory ---- */

/* What of it isn't skipped. No place is kept from one run to the next. */
static int read_run(uintptr_t low, uintptr_t high, void *arg)
{
    struct reach *r = arg;
    size_t i = 0, end = r->n_skips;
    while (i < end) { /* the first that ends beyond low: they are disjoint now */
        size_t middle = i + (end - i) / 2;
        if (r->skips[middle].is.high <= low)
            i = middle + 1;
        else
            end = middle;
    }
    for (; low < high; i++) {
        bool some = i < r->n_skips && r->skips[i].is.low < high;
        uintptr_t until = some ? r->skips[i].is.low : high;
        int rc = until > low ? read_range(r, (struct range){low, until}, mark, r) : 0;
        if (rc)
            return rc;
        if (until == high)
            break;
        low = r->skips[i].is.high;
    }
    follow(r);
    return 0;
}

/* Sorted, and those that overlap made one. */
static void settle_skips(struct reach *r)
{
    size_t n = 0;
    sort(r->skips, r->n_skips);
    for (size_t i = 0; i < r->n_skips; i++) {
        struct range is = r->skips[i].is, *last = n > 0 ? &r->skips[n - 1].is : NULL;
        if (!last || is.low > last->high)
            r->skips[n++].is = is;
        else if (is.high > last->high)
            last->high = is.high;
    }
    r->n_skips = n;
}

/* Of several keys that are the same, which are found together, one has the area. */
static void add_areas_of_keys(struct reach *r)
{
    for (size_t i = 0; i < r->n_keys; i++) {
        const struct key *key = &r->keys[i];
        if (key->area && (i == 0 || key[-1].is.low != key->is.low))
            reach_area(r, key->node, (const void *)key->is.low, key->is.high - key->is.low);
    }
}

int reach_all(struct reach *r, const void *frame)
{
    char *low = NULL;
    size_t size;
    if (SANITIZE_FIBERS || !os_thread_bounds(&low, &size) || (const char *)frame < low ||
        (const char *)frame >= low + size)
        return -ENOTSUP;
    reach_skip(r, low, (size_t)((const char *)frame - low));
    sort_keys(r);
    add_areas_of_keys(r);
    if (r->full)
        return -ENOMEM;
    settle_skips(r);
    follow(r);
    int rc = os_memory_each(&r->memory, read_run, r);
    follow(r);
    return rc;
}

SANITIZE_OWNER_DATA_END
